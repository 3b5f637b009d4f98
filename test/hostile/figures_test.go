package hostile

import (
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// full has the attacks come with all their might, and write what they have
// measured into README.md. By itself a run is small enough for every change.
var full = flag.Bool("full", false, "attack with all might and write the figures into README.md")

// might is how much an attack comes with: all of it, or a part for every day.
func might(all, part int) int {
	if *full {
		return all
	}
	return part
}

// figures are what was measured in this run, a row of the table each.
var figures struct {
	mu   sync.Mutex
	rows []string
}

// figure notes what came of an attack. It is told, and never judged: the
// machine may be busy with something else.
func figure(t *testing.T, attack, format string, args ...any) {
	t.Helper()
	found := fmt.Sprintf(format, args...)
	t.Logf("%s: %s", attack, found)
	figures.mu.Lock()
	defer figures.mu.Unlock()
	figures.rows = append(figures.rows, "| "+attack+" | "+found+" |")
}

const (
	readme  = "README.md"
	attacks = 4 // rows in the table
	begins  = "<!-- figures -->\n"
	ends    = "<!-- end of figures -->"
)

// writeFigures replaces the table in README.md after a full run of all attacks.
func writeFigures() error {
	if !*full || len(figures.rows) != attacks {
		return nil
	}
	page, err := os.ReadFile(readme)
	if err != nil {
		return fmt.Errorf("read the file with the figures: %w", err)
	}
	before, rest, begun := strings.Cut(string(page), begins)
	_, after, ended := strings.Cut(rest, ends)
	if !begun || !ended {
		return fmt.Errorf("%s has no place for figures", readme)
	}
	table := fmt.Sprintf("\n`go test ./test/hostile -run TestAttack -full`, %s, commit %s; %d cores (%s), %s, %s/%s\n\n"+
		"| attack | what came of it |\n|---|---|\n%s\n\n",
		time.Now().UTC().Format(time.DateOnly), commit(), runtime.NumCPU(), processor(),
		runtime.Version(), runtime.GOOS, runtime.GOARCH, strings.Join(figures.rows, "\n"))
	if err := os.WriteFile(readme, []byte(before+begins+table+ends+after), 0o644); err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	return nil
}

// commit names what is checked out.
func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty", "--exclude=*").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// processor names the machine's, where Linux does.
func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo") // or there is none
	for line := range strings.Lines(string(info)) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// heap returns how many bytes are alive on the heap, by the runtime's samples.
// Those of the storage engine are left out: its buffers have bounds of their
// own, and whether they are on the heap at all is a matter of the build.
func heap() (alive uint64) {
	for range 2 { // what the first one finds is in the profile after the second
		runtime.GC()
	}
	records := make([]runtime.MemProfileRecord, 64)
	for {
		n, ok := runtime.MemProfile(records, false)
		if ok {
			records = records[:n]
			break
		}
		records = make([]runtime.MemProfileRecord, n+64)
	}
	for _, r := range records {
		if r.InUseObjects() > 0 && !isEngine(r.Stack()) {
			size := float64(r.InUseBytes()) / float64(r.InUseObjects())
			sampled := 1 - math.Exp(-size/float64(runtime.MemProfileRate)) // the share of such objects
			alive += uint64(float64(r.InUseBytes()) / sampled)
		}
	}
	return alive
}

func isEngine(stack []uintptr) bool {
	frames := runtime.CallersFrames(stack)
	for {
		frame, more := frames.Next()
		if strings.HasPrefix(frame.Function, "github.com/cockroachdb/") {
			return true
		}
		if !more {
			return false
		}
	}
}

func mebibytes(bytes uint64) float64 { return float64(bytes) / (1 << 20) }

// waits are the times that requests took.
type waits []time.Duration

// quantile returns the time that the share q of all did not exceed; 0 if there
// are none.
func (w waits) quantile(q float64) time.Duration {
	if len(w) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(w))
	return sorted[max(int(math.Ceil(q*float64(len(w)))), 1)-1]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
