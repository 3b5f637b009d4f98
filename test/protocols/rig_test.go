package protocols_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/protocol/bellhop"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/store"
	"github.com/bellhop/bellhop/internal/ws"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a service with two protocols: version 1 at /ws, the second one at /second.
type rig struct {
	t       *testing.T
	hub     *hub.Hub
	service *service.Service
	second  *second
	url     string
}

type noMetrics struct{}

func (noMetrics) Committed(int, float64)             {}
func (noMetrics) Published(notify.Audience, string)  {}
func (noMetrics) Stored(time.Duration)               {}
func (noMetrics) Replayed(int)                       {}
func (noMetrics) Reset(string)                       {}
func (noMetrics) Ticket(string)                      {}
func (noMetrics) Upkeep(string, time.Duration, bool) {}

func start(t *testing.T, change ...func(*ws.Options)) *rig {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	keys := cursor.NewKeyring()
	st, err := store.Open("data", store.Options{FS: vfs.NewMem(), Logger: quiet, Fatal: func(err error) { panic(err) }, Generations: keys.Add})
	require.NoError(t, err)
	r := &rig{t: t}
	r.hub = hub.New(hub.Options{
		Count: func(reader notify.Reader, upTo notify.Sequence) (notify.Counts, bool) {
			return r.service.Count(reader, upTo)
		},
	})
	opened := make(chan struct{})
	j := journal.NewLocal(journal.Options{
		State: st, Last: st.Last(), LastTime: st.LastTime(), Metrics: noMetrics{},
		Deliver: func(c notify.Change) { <-opened; r.service.Deliver(c) },
	})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := j.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	r.service, err = service.Open(ctx, service.Options{
		Journal: j, Store: st, Hub: r.hub, Cursors: keys, Logger: quiet, Metrics: noMetrics{},
		Retention: 24 * time.Hour, Keep: 1000, PingEvery: 25 * time.Second,
	})
	require.NoError(t, err)
	close(opened)
	r.second = newSecond(r.service, keys, tokens)
	v1 := r.handler(ws.Options{Protocol: bellhop.New(bellhop.Options{Service: r.service, Cursors: keys})}, nil)
	v2 := r.handler(ws.Options{Protocol: r.second}, change)
	mux := http.NewServeMux()
	mux.Handle("/second", r.admitted(v2))
	mux.Handle("/ws", r.admitted(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		v1.ServeHTTP(w, req.WithContext(auth.WithPrincipal(req.Context(), user("ada"))))
	})))
	server := httptest.NewServer(mux)
	r.url = server.URL
	t.Cleanup(func() {
		r.hub.Drain(context.Background(), 0)
		v1.Wait()
		v2.Wait()
		server.Close()
		cancel()
		running.Wait()
		require.NoError(t, st.Close())
		http.DefaultClient.CloseIdleConnections()
	})
	return r
}

func (r *rig) handler(o ws.Options, change []func(*ws.Options)) *ws.Handler {
	o.Service, o.Hub, o.CheckOrigin = r.service, r.hub, func(*http.Request) bool { return true }
	for _, c := range change {
		c(&o)
	}
	return ws.New(o)
}

// admitted gives a request its slot, as the HTTP API does.
func (r *rig) admitted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		slot, err := r.hub.Admit(netip.MustParseAddrPort(req.RemoteAddr).Addr())
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		defer slot.Release()
		next.ServeHTTP(w, req.WithContext(hub.WithSlot(req.Context(), slot)))
	})
}

func user(name string) notify.Principal {
	return notify.Principal{User: notify.UserID(name), Name: "user:" + name, Expires: time.Now().Add(time.Hour)}
}

// tokens accepts the name of a user as the user's token.
func tokens(ctx context.Context, token string) (notify.Principal, error) {
	switch token {
	case "":
		return notify.Principal{}, notify.Errorf(notify.ErrTokenInvalid, "there is no token")
	case "expired":
		return notify.Principal{}, notify.Errorf(notify.ErrTokenExpired, "the token has expired")
	case "slow":
		<-ctx.Done()
		return notify.Principal{}, ctx.Err()
	case "panic":
		panic("requested by the test")
	}
	return user(token), nil
}

func (r *rig) publish(title string) {
	r.t.Helper()
	by := notify.Principal{Name: "backend", Scopes: []notify.Scope{notify.ScopePublish}}
	d := notify.Draft{
		Users: []notify.UserID{"ada"}, Type: "comment", Title: title, Data: []byte(`{"n":1.0e400}`),
		Priority: notify.PriorityNormal, Source: []byte("{}"),
	}
	_, err := r.service.Publish(r.t.Context(), by, service.Call{Path: "/notify"}, d)
	require.NoError(r.t, err)
}

// client is a WebSocket that reads and writes objects.
type client struct {
	t *testing.T
	*websocket.Conn
}

func (r *rig) dial(path string, subprotocols ...string) *client {
	r.t.Helper()
	c, answer, err := websocket.Dial(r.t.Context(), r.url+path, &websocket.DialOptions{Subprotocols: subprotocols})
	require.NoError(r.t, err)
	if len(subprotocols) > 0 {
		require.Equal(r.t, subprotocols[0], answer.Header.Get("Sec-Websocket-Protocol"))
	}
	r.t.Cleanup(func() { c.CloseNow() })
	return &client{r.t, c}
}

// connect connects by the second protocol.
func (r *rig) connect(since string) *client {
	r.t.Helper()
	c := r.dial("/second", subprotocol)
	c.send(`{"connect":{"token":"ada","since":"` + since + `"}}`)
	return c
}

func (c *client) send(message string) {
	c.t.Helper()
	require.NoError(c.t, c.Write(c.t.Context(), websocket.MessageText, []byte(message)))
}

// next returns the next message.
func (c *client) next() map[string]map[string]any {
	c.t.Helper()
	_, message, err := c.Read(c.t.Context())
	require.NoError(c.t, err)
	var m map[string]map[string]any
	require.NoError(c.t, json.Unmarshal(message, &m), "%s", message)
	return m
}

// expectClose reads until the connection is closed and checks the code and the reason.
func (c *client) expectClose(code int, reason string) {
	c.t.Helper()
	for {
		_, _, err := c.Read(c.t.Context())
		if err == nil {
			continue
		}
		var end websocket.CloseError
		require.ErrorAs(c.t, err, &end)
		require.Equal(c.t, websocket.CloseError{Code: websocket.StatusCode(code), Reason: "second: " + reason}, end)
		return
	}
}
