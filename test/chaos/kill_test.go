//go:build linux

package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/traffic"
)

const (
	kills      = 10
	publishers = 16
)

// TestKillUnderLoad kills the process ten times with SIGKILL while 16 publishers
// publish. Promise 1: every notification that was answered with 202 is there after the
// restart. Promise 2: exactly once. Promise 3: in the order of the responses.
func TestKillUnderLoad(t *testing.T) {
	p := &process{t: t, binary: build(t), dir: t.TempDir()}
	journal := make([]publisher, publishers)
	for i := range journal {
		journal[i] = publisher{name: i, keyPrefix: t.Name()}
	}
	var recovery time.Duration
	for round := range kills {
		begun := time.Now()
		p.start()
		recovery = max(recovery, time.Since(begun))
		watcher := p.watch(p.cursor)
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for i := range journal {
			all.Go(func() { journal[i].publish(ctx, t, p.url) })
		}
		watcher.until(t, (round+1)*200) // kill only after 200 more were delivered
		p.kill()
		cancel()
		all.Wait()
	}
	p.start()
	defer p.kill()
	// A retry must not store a second notification. Each publisher retries the one
	// whose response it did not receive.
	for i := range journal {
		journal[i].retry(t, p.url)
	}
	got := p.history()
	total := traffic.Outcome{}
	for i := range journal {
		require.Equal(t, journal[i].accepted, got[i], "publisher %d", i)
		add(&total, compare(journal[i].accepted, got[i]))
	}
	record(t, result{
		fault: fmt.Sprintf("killed %d times", kills), load: fmt.Sprintf("%d publishers without a pause", publishers),
		Outcome: total, recovery: recovery,
	})
}

// publisher publishes 0, 1, 2 … one after the other.
type publisher struct {
	name      int
	keyPrefix string
	next      int
	unsure    bool  // no response for next: it may have been stored
	accepted  []int // numbers answered with 202
}

func (p *publisher) publish(ctx context.Context, t *testing.T, url string) {
	for ctx.Err() == nil {
		if !p.once(ctx, t, url) {
			return
		}
	}
}

// retry repeats the last publish if there was no response to it.
func (p *publisher) retry(t *testing.T, url string) {
	if p.unsure {
		require.True(t, p.once(t.Context(), t, url))
	}
}

// once publishes the next number with its own idempotency key, and reports
// whether there was a response.
func (p *publisher) once(ctx context.Context, t *testing.T, url string) bool {
	p.unsure = true
	body := fmt.Sprintf(`{"to":{"users":["ada"]},"type":"chaos","data":{"publisher":%d,"n":%d}}`, p.name, p.next)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/notify", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return false
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token(t, "backend", notify.ScopePublish))
	r.Header.Set("Idempotency-Key", fmt.Sprintf("%s-%d-%d", p.keyPrefix, p.name, p.next))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return false // the process was killed
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusAccepted {
		t.Errorf("status %d: %s (%v)", resp.StatusCode, content, err)
		return false
	}
	// The status 202 guarantees that it is stored, even if the body did not arrive.
	p.accepted = append(p.accepted, p.next)
	p.next++
	p.unsure = false
	return true
}

// watcher is a connection of ada that counts its notifications.
type watcher struct {
	p    *process
	ws   *websocket.Conn
	read int
}

func (p *process) watch(cursor string) *watcher {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), timeout)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, p.url+"/ws?cursor="+cursor, &websocket.DialOptions{
		HTTPHeader: http.Header{"Authorization": {"Bearer " + token(p.t, "ada")}},
	})
	require.NoError(p.t, err)
	ws.SetReadLimit(64 << 10)
	return &watcher{p: p, ws: ws}
}

type frame struct {
	Event  string
	Cursor string
	Data   struct {
		Publisher, N int
		Data         struct{ Publisher, N int }
	}
}

func (w *watcher) next(t *testing.T) frame {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	_, b, err := w.ws.Read(ctx)
	require.NoError(t, err)
	var f frame
	require.NoError(t, json.Unmarshal(b, &f))
	require.NotEqual(t, "reset", f.Event, "a crash of the service must not cause a reset")
	if f.Cursor != "" {
		w.p.cursor = f.Cursor
	}
	return f
}

// until reads until n notifications have arrived.
func (w *watcher) until(t *testing.T, n int) {
	t.Helper()
	for w.read < n {
		if f := w.next(t); f.Event == "notification" {
			w.read++
		}
	}
}

// history returns the numbers in ada's notifications by publisher.
func (p *process) history() map[int][]int {
	p.t.Helper()
	w := p.watch("earliest")
	got := map[int][]int{}
	for {
		f := w.next(p.t)
		switch f.Event {
		case "live":
			return got
		case "notification":
			d := f.Data.Data
			got[d.Publisher] = append(got[d.Publisher], d.N)
		}
	}
}
