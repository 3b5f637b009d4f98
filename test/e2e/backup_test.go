package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/cli"
	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/notify"
)

// bellhop runs a command, which must succeed.
func bellhop(t *testing.T, args ...string) (stdout string) {
	t.Helper()
	var out, errs strings.Builder
	require.Zero(t, cli.Main(t.Context(), args, nil, &out, &errs), "%s", errs.String())
	return out.String()
}

// actor does one thing after the other: it publishes to its user and to the user witness, and
// marks or recalls some of that.
type actor struct {
	t     *testing.T
	user  string
	url   string
	admin string // token of an operator
	own   string // token of the user

	ids    []string
	states []string     // of the user's inbox, after so many actions
	done   atomic.Int32 // actions that were acknowledged
}

// most is the number of notifications that an actor publishes. A page of the inbox has them all.
const most = 95

func (a *actor) run(ctx context.Context) {
	type item struct{ title, read string }
	var kept []item
	state := func() {
		words := []string{}
		for _, i := range kept {
			words = append(words, i.title+i.read)
		}
		a.states = append(a.states, strings.Join(words, " ")) // before the action: it may be in the store unanswered
	}
	state()
	for n := 0; n < most && ctx.Err() == nil; n++ {
		title := fmt.Sprint(n)
		kept = append(kept, item{title, ""})
		state()
		body := a.request("POST", "/notify", a.admin, draft(a.t, a.user+" "+title, a.user, "witness"), http.StatusAccepted)
		var receipt struct{ ID string }
		assert.NoError(a.t, json.Unmarshal(body, &receipt))
		a.ids = append(a.ids, receipt.ID)
		switch {
		case n%3 == 1:
			kept[len(kept)-1].read = "r"
			state()
			a.request("POST", "/inbox/read", a.own, byID(receipt.ID), http.StatusOK)
		case n%5 == 3:
			kept = kept[:len(kept)-1]
			state()
			a.request("DELETE", "/notifications/"+receipt.ID, a.admin, "", http.StatusNoContent)
		}
	}
}

func (a *actor) request(method, path, token, body string, status int) []byte {
	r, err := http.NewRequest(method, a.url+path, strings.NewReader(body))
	if !assert.NoError(a.t, err) {
		return nil
	}
	r.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(r)
	if !assert.NoError(a.t, err) {
		return nil
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	assert.NoError(a.t, err)
	if assert.Equal(a.t, status, resp.StatusCode, "%s", answer) {
		a.done.Add(1)
	}
	return answer
}

// restored returns the state of the user's inbox in another service.
func (a *actor) restored(s *service) string {
	page := s.inbox(a.user, "?state=all&limit=100")
	slices.Reverse(page.Items)
	words := []string{}
	for _, i := range page.Items {
		_, word, _ := strings.Cut(i.Title, " ")
		if i.ReadAt != "" {
			word += "r"
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// TestABackupUnderLoadIsRestored writes a backup while notifications are published, read and
// recalled, and restores it. The restored store is that of one moment: it has all that was
// acknowledged before the request, on whichever node, and of later actions a beginning, in their order, none by half.
// Clients continue from cursors that are older than the backup; newer ones get a reset.
func TestABackupUnderLoadIsRestored(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Requests, c.Marks, c.Backups = 0, 0, "on" })
	var seen []string // by carol, before the backup
	for n := range 10 {
		s.publish(fmt.Sprint("early ", n), "carol")
	}
	carol := s.connect("carol", "earliest")
	for range 5 {
		seen = append(seen, carol.read().text("title"))
	}
	older := carol.cursor

	actors := []*actor{}
	operator := token(t, "operator", notify.ScopePublish, notify.ScopeAdmin)
	ctx, stop := context.WithCancel(t.Context())
	var acting sync.WaitGroup
	for i := range 4 {
		user := fmt.Sprint("user", i)
		a := &actor{t: t, user: user, url: s.url(""), admin: operator, own: token(t, user)}
		actors = append(actors, a)
		acting.Go(func() { a.run(ctx) })
	}
	count := func() (all []int) {
		for _, a := range actors {
			all = append(all, int(a.done.Load()))
		}
		return all
	}
	require.Eventually(t, func() bool { return slices.Min(count()) >= 8 }, timeout, 100)
	before := count()
	file := filepath.Join(t.TempDir(), "backup.tar.zst")
	bellhop(t, "backup", "--to", file, "--admin", "http://"+s.admin)
	after := count()
	stop()
	acting.Wait()
	require.NotEqual(t, before, after, "nothing happened meanwhile")
	t.Logf("actions before and after the backup: %v, %v", before, after)

	s.publish("late", "carol")
	for title := ""; title != "late"; {
		title = carol.read().text("title")
	}
	newer := carol.cursor
	require.NoError(t, s.stop())

	dir := filepath.Join(t.TempDir(), "restored")
	bellhop(t, "restore", "--from", file, "--data-dir", dir)
	restored := startAlone(t, restoredAlone, func(c *config.Config) { c.DataDir = dir })
	witness := restored.history("witness", "earliest").titles
	for i, a := range actors {
		got := a.restored(restored)
		at := slices.Index(a.states, got)
		assert.GreaterOrEqual(t, at, before[i], "%s has %q, and before the backup it was %q", a.user, got, a.states[before[i]])
		assert.LessOrEqual(t, at, after[i]+1)
		ofWitness := []string{}
		for _, title := range witness {
			if n, is := strings.CutPrefix(title, a.user+" "); is {
				ofWitness = append(ofWitness, n)
			}
		}
		assert.Equal(t, strings.ReplaceAll(got, "r", ""), strings.Join(ofWitness, " "), "a notification to two users is not restored by half")
	}

	resumed := restored.history("carol", older)
	assert.Empty(t, resumed.reset)
	assert.Equal(t, []string{"early 0", "early 1", "early 2", "early 3", "early 4"}, seen)
	assert.Equal(t, []string{"early 5", "early 6", "early 7", "early 8", "early 9"}, resumed.titles)
	reset := restored.history("carol", newer)
	assert.NotEmpty(t, reset.reset)
	assert.Len(t, reset.titles, 10)

	live := restored.live("carol")
	restored.publish("new", "carol")
	live.expect("new")
	assert.Empty(t, restored.history("carol", live.cursor).reset)
}

// A client that reads no backup delays neither publishing nor the stop of the service, and another
// backup is refused meanwhile. Its copy is removed.
func TestASlowClientOfABackupHoldsNobody(t *testing.T) {
	s := start(t)
	s.onOneNode(ownCopy)
	noise := make([]byte, 12_000)
	for range 500 { // together more than the buffers of a connection
		rand.Read(noise)
		body := fmt.Sprintf(`{"to":{"users":["ada"]},"type":"test","data":{"noise":%q}}`, base64.StdEncoding.EncodeToString(noise))
		require.Equal(t, http.StatusAccepted, s.post("/notify", body).StatusCode)
	}
	conn, err := net.Dial("tcp", s.admin)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.(*net.TCPConn).SetReadBuffer(4<<10))
	_, err = fmt.Fprintf(conn, "GET /backup HTTP/1.1\r\nHost: %s\r\n\r\n", s.admin)
	require.NoError(t, err)
	first := make([]byte, 100)
	_, err = io.ReadFull(conn, first)
	require.NoError(t, err)
	require.True(t, bytes.HasPrefix(first, []byte("HTTP/1.1 200 OK\r\n")), "%s", first)
	require.DirExists(t, filepath.Join(s.cfg.DataDir, "backup.copy"))

	resp, err := http.Get("http://" + s.admin + "/backup")
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode, "%s", body)
	require.Equal(t, "30", resp.Header.Get("Retry-After"))
	require.Contains(t, string(body), "another backup is running")
	s.publish("meanwhile", "ada")

	require.NoError(t, s.stop())
	require.NoDirExists(t, filepath.Join(s.cfg.DataDir, "backup.copy"))
}
