//go:build linux

package chaos

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/test/slow"
	"github.com/bellhop/bellhop/test/traffic"
)

// fault is something that fails while the process is under load. strike makes it fail. It
// returns when the process runs again, with the time at which it could.
type fault struct {
	name      string
	announced string // what must be announced; empty: nothing, and nothing may be lost
	strike    func(t *testing.T, p *process, l *traffic.Load) (ended time.Time)
}

func faults() []fault {
	const withReset = "a reset to every listener"
	return []fault{
		{"SIGTERM, and started again", "", func(t *testing.T, p *process, _ *traffic.Load) (ended time.Time) {
			code, output := p.end(t, syscall.SIGTERM)
			require.Zero(t, code, output)
			ended = time.Now()
			p.start()
			return ended
		}},
		{"killed, and started again", "", func(_ *testing.T, p *process, _ *traffic.Load) (ended time.Time) {
			p.kill()
			ended = time.Now()
			p.start()
			return ended
		}},
		{"paused for 6 s", "", func(t *testing.T, p *process, _ *traffic.Load) (ended time.Time) { // listeners reconnect after 5 s
			require.NoError(t, slow.Pause(p.cmd.Process))
			<-time.After(6 * time.Second) // of the fault
			ended = time.Now()
			require.NoError(t, slow.Resume(p.cmd.Process))
			return ended
		}},
		{"another process on the same directory", "", func(t *testing.T, p *process, _ *traffic.Load) (ended time.Time) {
			cmd := p.serve()
			code, output := run(t, cmd, cmd.StderrPipe, func([]byte) {}).wait(t)
			require.Equal(t, 1, code, output)
			return time.Now()
		}},
		{"killed, and the last entries of the log are torn", withReset, func(t *testing.T, p *process, _ *traffic.Load) (ended time.Time) {
			p.kill()
			change(t, newest(t, p.dir, "*.log"), rand.New(rand.NewPCG(1, 1)), func(b []byte, random *rand.Rand) []byte {
				return append(b[:len(b)-2_000-random.IntN(2_000)], make([]byte, 8<<10)...)
			})
			ended = time.Now()
			p.start()
			return ended
		}},
		{"killed, and a bit near the beginning of a log is flipped; the operator follows the advice", withReset, damageALog},
	}
}

// damageALog kills the process, flips a bit near the beginning of its largest log, and moves that
// log and all newer ones away, as the refused start says. A new log may have begun meanwhile.
func damageALog(t *testing.T, p *process, l *traffic.Load) (ended time.Time) {
	for size(t, largestLog(t, p.dir)) < 128<<10 { // several blocks of a log
		l.Grows(t)
	}
	p.kill()
	damaged := largestLog(t, p.dir)
	change(t, damaged, nil, func(b []byte, _ *rand.Rand) []byte {
		b[3_000] ^= 1
		return b
	})
	require.False(t, p.startOrExit(), "a log with intact entries after a damaged one is refused")
	require.Contains(t, p.output.String(), "move that log and all newer ones")
	logs, err := filepath.Glob(filepath.Join(p.dir, "store", "*.log"))
	require.NoError(t, err)
	for _, log := range logs {
		if log >= damaged {
			require.NoError(t, os.Rename(log, filepath.Join(p.dir, filepath.Base(log))))
		}
	}
	ended = time.Now()
	p.start()
	return ended
}

func largestLog(t *testing.T, dir string) string {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(dir, "store", "*.log"))
	require.NoError(t, err)
	return slices.MaxFunc(logs, func(a, b string) int { return cmp.Compare(size(t, a), size(t, b)) })
}

// TestFaultsUnderLoad makes the process fail while publishers publish and listeners listen.
// Promises 1 to 4: every acknowledged notification arrives, once in effect and in order, or
// every listener receives a reset.
func TestFaultsUnderLoad(t *testing.T) {
	const users = 6
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			p := &process{t: t, binary: build(t), dir: t.TempDir(), env: []string{"BELLHOP_DRAIN_WINDOW=0", "BELLHOP_REQUESTS_PER_SECOND=0"}}
			p.start()
			l := p.load(traffic.Options{Prefix: "fault", Users: users, Between: 5 * time.Millisecond})
			l.Grows(t)
			recovery := p.recovery(f.strike(t, p, l))
			l.Grows(t)
			l.Stop()
			o := l.Compare()
			if f.announced != "" {
				require.GreaterOrEqual(t, o.Announced, users, "every listener must receive a reset")
			} else {
				require.Zero(t, o.Announced)
			}
			record(t, result{
				fault: f.name, load: fmt.Sprintf("%d publishers, at most 200/s each; %d attempts failed", users, o.Refused), Outcome: o,
				announced: f.announced, recovery: recovery,
			})
		})
	}
}

// recovery returns the time since begun at which the process is ready.
func (p *process) recovery(begun time.Time) time.Duration {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return p.get("/readyz").StatusCode == http.StatusOK }, timeout, time.Millisecond)
	return time.Since(begun)
}
