//go:build linux

package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/test/traffic"
)

var mixedFor = flag.Duration("mixed", 0, "duration of the mixed load; 0: 30 s, and 30 minutes with -full")

// TestMixedLoadKeepsItsLevels publishes, marks, reconnects, resumes and uses tickets for a long
// time, with a retention much shorter than that. Nothing is lost, repeated or reordered; the
// goroutines, the heap, the open files and the disk of the process keep their levels; and
// without load, the goroutines return to their number before.
func TestMixedLoadKeepsItsLevels(t *testing.T) {
	const (
		users = 20
		pace  = 200 * time.Millisecond // between two visits of a user
	)
	duration := *mixedFor
	if duration == 0 {
		duration = scale(30*time.Minute, 30*time.Second)
	}
	retention := min(duration/6, 2*time.Minute)
	p := &process{t: t, binary: build(t), dir: t.TempDir(), env: []string{
		"BELLHOP_PROFILES=on", "BELLHOP_REQUESTS_PER_SECOND=0", fmt.Sprintf("BELLHOP_RETENTION=%d", int(retention.Seconds())),
	}}
	p.start()
	require.Equal(t, http.StatusAccepted, p.publish(0).StatusCode)
	idle := p.level()

	l := p.load(traffic.Options{Prefix: "mixed", Users: users, Between: 40 * time.Millisecond, Life: 5 * time.Second, Unkeyed: true})
	ctx, cancel := context.WithTimeout(t.Context(), duration)
	defer cancel()
	var visits atomic.Int64
	var visitors sync.WaitGroup
	for i := range users / 2 {
		v := &visitor{p: p, token: token(t, fmt.Sprint("mixed-", i)), client: &http.Client{Timeout: timeout}}
		visitors.Go(func() {
			for ctx.Err() == nil {
				if err := v.visit(); err != nil {
					t.Errorf("visit %d: %v", visits.Load(), err)
					return
				}
				visits.Add(1)
				<-time.After(pace)
			}
			v.client.CloseIdleConnections()
		})
	}
	levels := p.levels(ctx, duration/60)
	visitors.Wait()
	l.Stop()
	outcome := l.Compare()
	http.DefaultClient.CloseIdleConnections()
	require.Eventually(t, func() bool { return p.level().goroutines <= idle.goroutines+10 }, timeout, 100*time.Millisecond,
		"goroutines are left: there were %.0f", idle.goroutines)

	steady := levels[len(levels)/3:] // the store has had its size for twice the retention
	first, second := middle(steady[:len(steady)/2]), middle(steady[len(steady)/2:])
	assert.LessOrEqual(t, second.goroutines, 1.1*first.goroutines+20, "goroutines")
	assert.LessOrEqual(t, second.files, 1.1*first.files+30, "open files")
	assert.LessOrEqual(t, second.heap, 1.2*first.heap+4<<20, "heap")
	assert.LessOrEqual(t, second.disk, 1.2*first.disk+16<<20, "disk")
	assert.Zero(t, outcome.Refused, "attempts to publish that failed")
	record(t, result{
		fault: "none: mixed load for " + duration.String(), Outcome: outcome,
		load: fmt.Sprintf("%d publishers, listeners that reconnect every 5 s, %d visits with ticket, marks and inbox; retention %v; from the first half to the second, "+
			"goroutines %.0f → %.0f, heap %.1f → %.1f MiB, open files %.0f → %.0f, disk %.1f → %.1f MiB",
			users, visits.Load(), retention, first.goroutines, second.goroutines, first.heap/(1<<20), second.heap/(1<<20),
			first.files, second.files, first.disk/(1<<20), second.disk/(1<<20)),
	})
}

// visitor is a user who opens the page again and again.
type visitor struct {
	p      *process
	token  string
	client *http.Client
	cursor string // where the next visit resumes
}

// visit connects with a ticket, marks by a command and by requests, and leaves.
func (v *visitor) visit() error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	var ticket struct{ Ticket string }
	if err := v.call(ctx, http.MethodPost, "/tickets", "{}", &ticket); err != nil {
		return err
	}
	ws, _, err := websocket.Dial(ctx, v.p.url+"/ws?cursor="+v.cursor+"&ticket="+ticket.Ticket, nil)
	if err != nil {
		return err
	}
	defer ws.CloseNow()
	ws.SetReadLimit(64 << 10)
	for event := ""; event != "live"; {
		_, b, err := ws.Read(ctx)
		if err != nil {
			return err
		}
		var f struct{ Event, Cursor string }
		if err := json.Unmarshal(b, &f); err != nil {
			return err
		}
		if f.Event == "reset" {
			return errors.New("the cursor was answered with a reset")
		}
		if event = f.Event; f.Cursor != "" {
			v.cursor = f.Cursor
		}
	}
	if err := ws.Write(ctx, websocket.MessageText, []byte(`{"event":"read","data":{"through":"`+v.cursor+`"}}`)); err != nil {
		return err
	}
	return errors.Join(
		v.call(ctx, http.MethodPost, "/inbox/archive", `{"through":"`+v.cursor+`"}`, nil),
		v.call(ctx, http.MethodGet, "/inbox?limit=20", "", nil),
	)
}

// call makes a request and decodes its response, unless into is nil.
func (v *visitor) call(ctx context.Context, method, path, body string, into any) error {
	r, err := http.NewRequestWithContext(ctx, method, v.p.url+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+v.token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := v.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode >= http.StatusBadRequest:
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, b)
	case into == nil:
		return nil
	}
	return json.Unmarshal(b, into)
}

// level is what a process uses.
type level struct {
	goroutines, files float64
	heap, disk        float64 // bytes
}

// levels reads the level regularly until ctx ends.
func (p *process) levels(ctx context.Context, every time.Duration) (all []level) {
	p.t.Helper()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return all
		case <-tick.C:
			all = append(all, p.level())
		}
	}
}

// level returns what the process uses. The heap is what is in use right after a garbage collection: the
// metrics would include what was allocated since then.
func (p *process) level() (l level) {
	p.t.Helper()
	resp, err := http.Get(p.admin + "/debug/pprof/heap?gc=1&debug=1")
	l.heap = metric(p.t, read(p.t, resp, err).body, "# HeapAlloc =")
	resp, err = http.Get(p.admin + "/metrics")
	text := read(p.t, resp, err).body
	l.goroutines, l.files = metric(p.t, text, "go_goroutines"), metric(p.t, text, "process_open_fds")
	l.disk = float64(size(p.t, filepath.Join(p.dir, "store")))
	return l
}

// metric returns the value of a metric without labels.
func metric(t *testing.T, text, name string) (value float64) {
	t.Helper()
	_, rest, found := strings.Cut("\n"+text, "\n"+name+" ")
	require.True(t, found, "no metric %s", name)
	_, err := fmt.Sscan(rest, &value)
	require.NoError(t, err)
	return value
}

// size returns the size of the files in a directory.
func size(t *testing.T, dir string) (bytes int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the store has removed it meanwhile
		}
		bytes += info.Size()
		return err
	})
	require.NoError(t, err)
	return bytes
}

// middle returns the median of each figure.
func middle(all []level) level {
	of := func(get func(level) float64) float64 {
		var values []float64
		for _, l := range all {
			values = append(values, get(l))
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	return level{
		goroutines: of(func(l level) float64 { return l.goroutines }), files: of(func(l level) float64 { return l.files }),
		heap: of(func(l level) float64 { return l.heap }), disk: of(func(l level) float64 { return l.disk }),
	}
}
