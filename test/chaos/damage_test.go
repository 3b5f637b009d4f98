//go:build linux

package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/traffic"
)

// damages are functions that damage the files of a store while the service is stopped.
func damages() map[string]func(t *testing.T, dir string, random *rand.Rand) {
	return map[string]func(t *testing.T, dir string, random *rand.Rand){
		"no damage": func(*testing.T, string, *rand.Rand) {},
		"a bit of the newest log is flipped": func(t *testing.T, dir string, random *rand.Rand) {
			change(t, newest(t, dir, "*.log"), random, flipped)
		},
		"the newest log is cut": func(t *testing.T, dir string, random *rand.Rand) {
			change(t, newest(t, dir, "*.log"), random, cutShort)
		},
		"the last entry of the newest log is torn": func(t *testing.T, dir string, random *rand.Rand) {
			change(t, newest(t, dir, "*.log"), random, torn)
		},
		"two logs are swapped":   func(t *testing.T, dir string, _ *rand.Rand) { swap(t, dir, "*.log") },
		"two tables are swapped": func(t *testing.T, dir string, _ *rand.Rand) { swap(t, dir, "*.sst") },
		"a table is removed":     func(t *testing.T, dir string, _ *rand.Rand) { require.NoError(t, os.Remove(newest(t, dir, "*.sst"))) },
		"a bit of a table is flipped": func(t *testing.T, dir string, random *rand.Rand) {
			change(t, newest(t, dir, "*.sst"), random, flipped)
		},
		"the newest log is removed": func(t *testing.T, dir string, _ *rand.Rand) {
			require.NoError(t, os.Remove(newest(t, dir, "*.log")))
		},
		"the MANIFEST is cut": func(t *testing.T, dir string, random *rand.Rand) {
			change(t, newest(t, dir, "MANIFEST-*"), random, cutShort)
		},
		"the marker of the MANIFEST is removed": func(t *testing.T, dir string, _ *rand.Rand) {
			require.NoError(t, os.Remove(newest(t, dir, "marker.manifest.*")))
		},
		"a bit of any file is flipped": func(t *testing.T, dir string, random *rand.Rand) {
			all, err := filepath.Glob(filepath.Join(dir, "store", "*"))
			require.NoError(t, err)
			change(t, all[random.IntN(len(all))], random, flipped)
		},
		"the store is an older copy": func(t *testing.T, dir string, _ *rand.Rand) {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, "store")))
			require.NoError(t, os.Rename(filepath.Join(dir, "before", "store"), filepath.Join(dir, "store")))
		},
		"all files are an older copy": func(t *testing.T, dir string, _ *rand.Rand) {
			require.NoError(t, os.Remove(filepath.Join(dir, "watermark")))
			require.NoError(t, os.RemoveAll(filepath.Join(dir, "store")))
			for _, name := range []string{"watermark", "store"} {
				require.NoError(t, os.Rename(filepath.Join(dir, "before", name), filepath.Join(dir, name)))
			}
		},
		"the store is an older copy, without a watermark": func(t *testing.T, dir string, _ *rand.Rand) {
			require.NoError(t, os.Remove(filepath.Join(dir, "watermark")))
			require.NoError(t, os.RemoveAll(filepath.Join(dir, "store")))
			require.NoError(t, os.Rename(filepath.Join(dir, "before", "store"), filepath.Join(dir, "store")))
		},
		"the store is removed": func(t *testing.T, dir string, _ *rand.Rand) {
			require.NoError(t, os.RemoveAll(filepath.Join(dir, "store")))
		},
	}
}

func newest(t *testing.T, dir, pattern string) string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "store", pattern))
	require.NoError(t, err)
	require.NotEmpty(t, all)
	return slices.Max(all)
}

func flipped(b []byte, random *rand.Rand) []byte {
	b[random.IntN(len(b))] ^= 1 << random.IntN(8)
	return b
}

func cutShort(b []byte, random *rand.Rand) []byte { return b[:random.IntN(len(b))] }

// torn cuts less than an entry off, and adds blocks that were allocated and not written.
func torn(b []byte, random *rand.Rand) []byte {
	return append(b[:len(b)-1-random.IntN(100_000)], make([]byte, 8<<10)...)
}

// swap exchanges the contents of the oldest and the newest file of a pattern.
func swap(t *testing.T, dir, pattern string) {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "store", pattern))
	require.NoError(t, err)
	require.Greater(t, len(all), 1)
	a, b, other := slices.Min(all), slices.Max(all), filepath.Join(dir, "other")
	require.NoError(t, os.Rename(a, other))
	require.NoError(t, os.Rename(b, a))
	require.NoError(t, os.Rename(other, b))
}

func change(t *testing.T, name string, random *rand.Rand, how func([]byte, *rand.Rand) []byte) {
	t.Helper()
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	if len(b) > 0 {
		require.NoError(t, os.WriteFile(name, how(b, random), 0o600))
	}
}

// TestDamageIsAlwaysReported damages the files of a store after kill -9 and starts the
// service on them. Promise 4: either every notification that was answered with 202 is
// there, or the service refuses to start and says what to do, or it reports how much is
// missing and resets older cursors.
func TestDamageIsAlwaysReported(t *testing.T) {
	const before, after = 30, 25
	p := &process{t: t, binary: build(t), dir: t.TempDir()}
	p.start()
	p.publishLarge(0, before)
	p.end(t, syscall.SIGTERM)
	older := t.TempDir()
	require.NoError(t, os.CopyFS(older, os.DirFS(p.dir)))
	p.start()
	p.publishLarge(before, before+after)
	p.history() // leaves p.cursor behind the last notification
	p.kill()
	require.NoError(t, os.CopyFS(filepath.Join(p.dir, "before"), os.DirFS(older)))

	for name, damage := range damages() {
		t.Run(name, func(t *testing.T) {
			total := outcomes{}
			for seed := range uint64(3) {
				dir := t.TempDir()
				require.NoError(t, os.CopyFS(dir, os.DirFS(p.dir)))
				damage(t, dir, rand.New(rand.NewPCG(seed, 1)))
				damaged := &process{t: t, binary: p.binary, dir: dir, cursor: p.cursor}
				begun := time.Now()
				text, lost := damaged.startDamaged(before + after)
				total.add(text, before+after, lost, time.Since(begun))
				if name == "all files are an older copy" || strings.HasSuffix(name, "without a watermark") { // like a restored backup
					require.Equal(t, restored, text)
					continue
				}
				require.NotEqual(t, restored, text)
			}
			total.record(t, name)
		})
	}
}

// restored is the outcome of a start with a backup: the service cannot know that there was more.
const restored = "reset, as after restoring a backup"

// outcomes are those of several starts with the same kind of damage.
type outcomes struct {
	starts, acknowledged, lost int
	texts                      map[string]int
	longest                    time.Duration
}

func (o *outcomes) add(text string, acknowledged, lost int, took time.Duration) {
	if o.texts == nil {
		o.texts = map[string]int{}
	}
	o.starts, o.acknowledged, o.lost, o.longest = o.starts+1, o.acknowledged+acknowledged, o.lost+lost, max(o.longest, took)
	o.texts[text]++
}

func (o *outcomes) record(t *testing.T, damage string) {
	t.Helper()
	announced := "0"
	if o.texts[complete] < o.starts {
		var all []string
		for text, times := range o.texts {
			all = append(all, fmt.Sprintf("%d × %s", times, text))
		}
		slices.Sort(all)
		announced = strings.Join(all, ", ")
	}
	recovery := o.longest
	if o.texts[refused] == o.starts {
		recovery = byHand
	}
	record(t, result{
		fault: "damage after a kill: " + damage, load: fmt.Sprintf("%d starts with 55 notifications of 127 kB", o.starts),
		Outcome: traffic.Outcome{Acknowledged: o.acknowledged, Lost: o.lost}, announced: announced, recovery: recovery,
	})
}

// publishLarge publishes numbers to ada and 999 other users, so that each record has
// 127 kB.
func (p *process) publishLarge(from, to int) {
	p.t.Helper()
	others := ""
	for i := range 999 {
		others += fmt.Sprintf(`,"%0125d"`, i)
	}
	for n := from; n < to; n++ {
		body := strings.Replace(numbered(n), `"ada"`, `"ada"`+others, 1)
		r, err := http.NewRequest(http.MethodPost, p.url+"/notify", strings.NewReader(body))
		require.NoError(p.t, err)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token(p.t, "backend", notify.ScopePublish))
		resp, err := http.DefaultClient.Do(r)
		require.Equal(p.t, http.StatusAccepted, read(p.t, resp, err).StatusCode)
	}
}

// Outcomes of a start with damaged files.
const (
	complete = "complete"
	refused  = "refused to start, with advice"
	corrupt  = "runs, and reports that its store is corrupt"
)

// startDamaged starts a process that has accepted a number of publishes before its
// store was damaged, and returns the outcome and how many are not served. It fails the test if
// a loss is not reported.
func (p *process) startDamaged(accepted int) (outcome string, lost int) {
	t := p.t
	t.Helper()
	if !p.startOrExit() {
		require.Contains(t, p.output.String(), "backup")
		require.NotZero(t, p.cmd.ProcessState.ExitCode())
		return refused, 0 // nothing is served, and nothing was changed
	}
	reset, _, _, err := p.receive(p.cursor)
	_, served, fresh, all := p.receive("earliest")
	if err != nil || all != nil {
		require.Equal(t, http.StatusServiceUnavailable, p.get("/livez").StatusCode, "%v, %v", err, all)
		p.kill()
		return corrupt, 0
	}
	for i, n := range served {
		require.Equal(t, i, n)
	}
	metrics, err := http.Get(p.admin + "/metrics")
	if strings.Contains(read(t, metrics, err).body, "bellhop_store_lost_entries 0\n") {
		p.kill()
		if reset {
			return restored, accepted - len(served)
		}
		require.Len(t, served, accepted)
		return complete, 0
	}
	require.True(t, reset)
	again, _, _, err := p.receive(fresh)
	require.NoError(t, err)
	require.False(t, again, "a cursor from after the loss must be accepted")
	require.Equal(t, http.StatusOK, p.get("/readyz").StatusCode)
	p.kill() // waits until the whole log has been read
	require.GreaterOrEqual(t, p.missing(), accepted-len(served))
	return "reset, and the number of missing entries in the log", accepted - len(served)
}

// receive connects with a cursor and reads until the live event. It returns whether
// there was a reset, the numbers of the notifications, and the last cursor.
func (p *process) receive(cursor string) (reset bool, numbers []int, last string, err error) {
	p.t.Helper()
	w := p.watch(cursor)
	defer w.ws.CloseNow()
	ctx, cancel := context.WithTimeout(p.t.Context(), timeout)
	defer cancel()
	for {
		_, b, err := w.ws.Read(ctx)
		if err != nil {
			return reset, numbers, last, err
		}
		var f frame
		require.NoError(p.t, json.Unmarshal(b, &f))
		last = f.Cursor
		switch f.Event {
		case "reset":
			reset = true
		case "notification":
			numbers = append(numbers, f.Data.Data.N)
		case "live":
			return reset, numbers, last, nil
		}
	}
}

// missing returns the number of missing entries that the log reports.
func (p *process) missing() int {
	p.t.Helper()
	for line := range strings.Lines(p.output.String()) {
		var entry struct {
			Level   string
			Missing int
		}
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Missing > 0 {
			require.Equal(p.t, "ERROR", entry.Level)
			return entry.Missing
		}
	}
	p.t.Fatal("the log reports no missing entries")
	return 0
}
