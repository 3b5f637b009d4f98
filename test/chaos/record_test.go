//go:build linux

package chaos

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/traffic"
)

var (
	update = flag.Bool("update", false, "write the rows of the faults that were run into README.md")
	full   = flag.Bool("full", false, "run the faults at full size")
)

// scale returns the size of a load: large with -full, else small, with which every change is
// tested.
func scale[T any](large, small T) T {
	if *full {
		return large
	}
	return small
}

// result is a row of the table in README.md: a fault, and what was acknowledged before, during
// and after it compared with what arrived.
type result struct {
	fault, load string
	traffic.Outcome
	announced string        // what clients received, or operators read; empty: the number of resets
	recovery  time.Duration // until the service was ready again, or everything had arrived; 0: it was never gone
}

// byHand is the recovery of a service that does not start before its operator has acted.
const byHand = time.Duration(-1)

// table are the results of this run, by the name of the fault.
var table struct {
	mu   sync.Mutex
	rows map[string]string
}

// record adds a result to the table. It fails the test if something is lost, repeated or
// reordered that was not announced. With an announced loss, an idempotency key may be lost too,
// so that a publish whose answer did not arrive is stored again.
func record(t *testing.T, r result) {
	t.Helper()
	if r.announced == "" {
		r.announced = fmt.Sprint(r.Announced)
		assert.Zero(t, r.Announced, "resets")
	}
	if r.announced == "0" {
		assert.Zero(t, r.Lost, "lost")
		assert.Zero(t, r.Repeated, "repeated")
	}
	assert.Zero(t, r.Reordered, "reordered")
	assert.NotZero(t, r.Acknowledged, "acknowledged")
	row := fmt.Sprintf("| %s | %s | %d | %d | %d | %d | %s | %s | %s |\n",
		r.fault, r.load, r.Acknowledged, r.Lost, r.Repeated, r.Reordered, r.announced, recoveryText(r.recovery), time.Now().Format(time.DateOnly)+", "+traffic.Commit())
	t.Log(strings.TrimSpace(row))
	table.mu.Lock()
	defer table.mu.Unlock()
	if table.rows == nil {
		table.rows = map[string]string{}
	}
	table.rows[r.fault] = row
}

func recoveryText(d time.Duration) string {
	if d == 0 {
		return "none"
	}
	if d == byHand {
		return "by hand"
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

const page = "README.md"

// writeRows replaces the rows of the faults that were run. The other rows stay.
func writeRows() error {
	if !*update || len(table.rows) == 0 {
		return nil
	}
	b, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	const head = "| fault | load | acknowledged | lost | repeated | reordered | announced | recovery | run |\n" +
		"|---|---|---:|---:|---:|---:|---|---:|---|\n"
	_, old, _ := strings.Cut(string(b), head)
	for line := range strings.Lines(old) {
		cells := strings.Split(line, " | ")
		if len(cells) < 9 {
			break
		}
		if fault := strings.TrimPrefix(cells[0], "| "); table.rows[fault] == "" {
			table.rows[fault] = line
		}
	}
	var rows []string
	for _, row := range table.rows {
		rows = append(rows, row)
	}
	slices.Sort(rows)
	return traffic.WriteTable(page, fmt.Sprintf("%s%s\n`go test ./test/chaos -full -update`, on %s.\n", head, strings.Join(rows, ""), traffic.Machine()))
}

// load starts publishers and listeners that use the process, also after it was started again.
func (p *process) load(o traffic.Options) *traffic.Load {
	p.t.Helper()
	o.Token = func(user string, scopes ...notify.Scope) string { return token(p.t, user, scopes...) }
	o.URLs = func() []string { return []string{*p.public.Load()} }
	return traffic.Start(p.t, o)
}

// add adds the counts of another outcome to o.
func add(o *traffic.Outcome, other traffic.Outcome) {
	o.Acknowledged, o.Refused = o.Acknowledged+other.Acknowledged, o.Refused+other.Refused
	o.Lost, o.Repeated = o.Lost+other.Lost, o.Repeated+other.Repeated
	o.Reordered, o.Announced = o.Reordered+other.Reordered, o.Announced+other.Announced
}

// compare compares the numbers that one publisher published and got 202 for with those that
// arrived.
func compare(acknowledged, arrived []int) traffic.Outcome {
	o := traffic.Outcome{Acknowledged: len(acknowledged)}
	times, last := map[int]int{}, -1
	for _, n := range arrived {
		if times[n]++; times[n] > 1 {
			o.Repeated++
		}
		if n < last {
			o.Reordered++
		}
		last = max(last, n)
	}
	for _, n := range acknowledged {
		if times[n] == 0 {
			o.Lost++
		}
	}
	return o
}
