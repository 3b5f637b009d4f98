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

// full makes the attacks run at full size and write their results into README.md. Without
// it, the attacks are small enough to run with every change.
var full = flag.Bool("full", false, "run the attacks at full size and write the results into README.md")

// scale returns the size of an attack: large with -full, else small.
func scale(large, small int) int {
	if *full {
		return large
	}
	return small
}

// figures are the results of this run, each a row of the table.
var figures struct {
	mu   sync.Mutex
	rows []string
}

// figure records the result of an attack. Results are reported and never asserted,
// because they depend on the load of the machine.
func figure(t *testing.T, attack, format string, args ...any) {
	t.Helper()
	result := fmt.Sprintf(format, args...)
	t.Logf("%s: %s", attack, result)
	figures.mu.Lock()
	defer figures.mu.Unlock()
	figures.rows = append(figures.rows, "| "+attack+" | "+result+" |")
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
		return fmt.Errorf("%s has no markers for the figures", readme)
	}
	table := fmt.Sprintf("\n`go test ./test/hostile -run TestAttack -full`, %s, commit %s; %d cores (%s), %s, %s/%s\n\n"+
		"| attack | result |\n|---|---|\n%s\n\n",
		time.Now().UTC().Format(time.DateOnly), commit(), runtime.NumCPU(), processor(),
		runtime.Version(), runtime.GOOS, runtime.GOARCH, strings.Join(figures.rows, "\n"))
	if err := os.WriteFile(readme, []byte(before+begins+table+ends+after), 0o644); err != nil {
		return fmt.Errorf("write the figures: %w", err)
	}
	return nil
}

// commit returns the hash of the commit that is checked out.
func commit() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty", "--exclude=*").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// processor returns the name of the processor, as Linux reports it.
func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo") // does not exist everywhere
	for line := range strings.Lines(string(info)) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// heap returns the number of live bytes on the heap, estimated from the runtime's
// samples. Allocations of the storage engine are left out: its buffers have limits of
// their own, and it depends on the build whether they are on the heap.
func heap() (alive uint64) {
	for range 2 { // the profile shows the state before the last collection but one
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
			sampled := 1 - math.Exp(-size/float64(runtime.MemProfileRate)) // the probability that such an object is sampled
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

// latencies are durations of requests.
type latencies []time.Duration

// quantile returns the duration that a share q of all does not exceed, or 0 if w is
// empty.
func (w latencies) quantile(q float64) time.Duration {
	if len(w) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(w))
	return sorted[max(int(math.Ceil(q*float64(len(w)))), 1)-1]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
