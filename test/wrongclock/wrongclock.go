// Package wrongclock builds a bellhop whose wall clock a test can set.
//
// The wall clock of one process cannot be set without setting that of the machine. Therefore
// the tests of a wrong clock run a binary whose time.Now adds a number of seconds, which the
// test writes into the memory of the process. Monotonic time, timers and deadlines are not
// affected, as by a real clock that is set.
//
// The number is in a field of the time zone UTC that package time does not use: a variable of
// its own would change the package's export data, so that all other packages had to be built
// again.
package wrongclock

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/test/deploy"
)

const (
	shiftVariable = "utcLoc"
	shiftField    = "cacheStart"
	readsClock    = "sec, nsec, mono := runtimeNow()"
)

// Build builds the binary with a changed package time, from the packages that a normal
// build has left in the cache.
func Build(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	goTool := func(args ...string) string {
		var problems bytes.Buffer
		cmd := exec.CommandContext(t.Context(), "go", args...)
		cmd.Dir, cmd.Stderr = filepath.Join(deploy.Dir(), "..", ".."), &problems
		out, err := cmd.Output()
		require.NoError(t, err, "go %s: %s", strings.Join(args, " "), problems.String())
		return strings.TrimSpace(string(out))
	}
	const main = "github.com/bellhop/bellhop/cmd/bellhop"
	packages := goTool("list", "-export", "-deps", "-f", "{{if .Export}}packagefile {{.ImportPath}}={{.Export}}{{end}}", main)
	normal, changed := filepath.Join(dir, "normal"), filepath.Join(dir, "changed")
	require.NoError(t, os.WriteFile(normal, []byte(packages), 0o600))

	sources := filepath.Join(goTool("env", "GOROOT"), "src", "time")
	source, err := os.ReadFile(filepath.Join(sources, "time.go"))
	require.NoError(t, err)
	require.Equal(t, 1, bytes.Count(source, []byte(readsClock)), "package time of %s reads the clock in another way", runtime.Version())
	source = bytes.ReplaceAll(source, []byte(readsClock), fmt.Appendf(nil, "%s; sec += %s.%s", readsClock, shiftVariable, shiftField))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "time.go"), source, 0o600))
	archive := filepath.Join(dir, "time.a")
	compile := []string{
		"tool", "compile", "-p", "time", "-std", "-lang", "go" + strings.Join(strings.SplitN(strings.TrimPrefix(runtime.Version(), "go"), ".", 3)[:2], "."),
		"-goversion", runtime.Version(), "-trimpath", dir + "=>$GOROOT/src/time", "-importcfg", normal, "-o", archive, "-pack",
	}
	for name := range strings.FieldsSeq(goTool("list", "-f", `{{join .GoFiles " "}}`, "time")) {
		if name == "time.go" {
			compile = append(compile, filepath.Join(dir, name))
			continue
		}
		compile = append(compile, filepath.Join(sources, name))
	}
	goTool(compile...)

	packages = regexp.MustCompile(`(?m)^packagefile time=.*$`).ReplaceAllString(packages, "packagefile time="+archive)
	require.NoError(t, os.WriteFile(changed, []byte(packages), 0o600))
	binary := filepath.Join(dir, "bellhop")
	own := regexp.MustCompile(`(?m)^packagefile ` + main + `=(.*)$`).FindStringSubmatch(packages)
	require.NotNil(t, own)
	goTool("tool", "link", "-importcfg", changed, "-o", binary, own[1])
	return binary
}

// Set makes the wall clock of a process of a binary of Build wrong by a duration in seconds; 0: right again.
func Set(t testing.TB, binary string, process int, wrong time.Duration) {
	t.Helper()
	file, err := elf.Open(binary)
	require.NoError(t, err)
	defer file.Close()
	symbols, err := file.Symbols()
	require.NoError(t, err)
	at := slices.IndexFunc(symbols, func(s elf.Symbol) bool { return s.Name == "time."+shiftVariable })
	require.GreaterOrEqual(t, at, 0, "the binary has no symbol time.%s", shiftVariable)
	field, ok := reflect.TypeFor[time.Location]().FieldByName(shiftField)
	require.True(t, ok)
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", process), os.O_WRONLY, 0)
	require.NoError(t, err)
	defer memory.Close()
	seconds := make([]byte, 8)
	file.ByteOrder.PutUint64(seconds, uint64(int64(wrong/time.Second)))
	_, err = memory.WriteAt(seconds, int64(symbols[at].Value+uint64(field.Offset)))
	require.NoError(t, err)
}
