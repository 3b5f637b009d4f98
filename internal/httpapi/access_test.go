package httpapi_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/httpapi"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
)

func TestTickets(t *testing.T) {
	s := start(t)
	for _, body := range []string{"", "{}", " { } "} {
		a := s.do("POST", "/tickets", body)
		require.Equal(t, 201, a.StatusCode, "%s", a.body)
		require.JSONEq(t, `{"ticket":"`+ticket+`","expires_in":30}`, string(a.body))
		require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
	}
	s.problem(s.do("POST", "/tickets", "", "Authorization", ""), 401, "unauthenticated")
	s.problem(s.do("POST", "/tickets", "", "Authorization", "Bearer bhk_key"), 403, "scope")
	s.problem(s.do("POST", "/tickets", `{"user":"root"}`), 422, "invalid")
	s.problem(s.do("POST", "/tickets", `[]`), 422, "invalid")
	s.problem(s.do("POST", "/tickets", `{`), 400, "malformed")
}

func TestConnectWithATicket(t *testing.T) {
	s := start(t)
	c, _, err := websocket.Dial(t.Context(), s.url+"/ws?ticket="+ticket, &websocket.DialOptions{HTTPClient: s.client})
	require.NoError(t, err)
	defer c.CloseNow()
	_, said, err := c.Read(t.Context())
	require.NoError(t, err)
	require.Equal(t, "grace", string(said))
	another := strings.Repeat("a", len(ticket))
	for _, path := range []string{"/ws", "/events"} {
		s.problem(s.do("GET", path+"?ticket="+another, ""), 401, "token-invalid")
		s.problem(s.do("GET", path+"?ticket="+ticket+"&ticket="+ticket, ""), 400, "malformed")
		s.problem(s.do("GET", path+"?ticket="+ticket, "", "Authorization", "Bearer good"), 400, "malformed")
		s.problem(s.do("GET", path, "", "Authorization", "Bearer bhk_key"), 401, "token-invalid")
	}
	s.problem(s.do("POST", "/notify?ticket="+ticket, toAda, "Authorization", ""), 401, "unauthenticated")
}

func TestEvents(t *testing.T) {
	s := start(t)
	a := s.do("GET", "/events", "", "Authorization", "Bearer good")
	require.Equal(t, 200, a.StatusCode, "%s", a.body)
	require.Equal(t, "event: welcome\ndata: ada\n\n", string(a.body))
	s.problem(s.do("GET", "/events?cursor=a&cursor=b", "", "Authorization", "Bearer good"), 400, "malformed")
	s.problem(s.do("GET", "/events", "", "Authorization", "Bearer good", "Origin", stranger), 403, "origin")
	s.problem(s.do("GET", "/events", "{}", "Authorization", "Bearer good"), 400, "malformed")
	s.problem(s.do("GET", "/events", "", "Authorization", "Bearer good", "Last-Event-ID", "a", "Last-Event-ID", "b"), 400, "malformed")
	require.Equal(t, observation{"/events", 200}, s.metrics.all()[0])
	require.Len(t, s.metrics.all(), 5, "each request once")
}

func TestRevocations(t *testing.T) {
	s := start(t)
	admin := []string{"Authorization", "Bearer admin"}
	at := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	for body, want := range map[string]notify.Revocation{
		`{"user":"ada","issued_before":"2026-12-01T10:00:00+01:00"}`: {User: "ada", Before: at},
		`{"jti":"one"}`: {TokenID: "one"},
		`{"jti":"one","issuer":"https://login.example.com"}`: {TokenID: "one", Issuer: "https://login.example.com"},
	} {
		a := s.do("POST", "/revocations", body, admin...)
		require.Equal(t, 204, a.StatusCode, "%s", a.body)
		got := s.tickets.revoked[len(s.tickets.revoked)-1]
		require.True(t, want.Before.Equal(got.Before))
		got.Before = want.Before
		require.Equal(t, want, got)
	}
	for body, pointer := range map[string]string{
		`{"user":"a b","issued_before":"2026-12-01T09:00:00Z"}`: "/user",
		`{"user":7,"issued_before":"2026-12-01T09:00:00Z"}`:     "/user",
		`{"user":"ada","issued_before":"yesterday"}`:            "/issued_before",
		`{"user":"ada","issued_before":1764579600}`:             "/issued_before",
		`{"jti":""}`:              "/jti",
		`{"jti":"a","issuer":""}`: "/issuer",
		`{"jti":["a","b"]}`:       "/jti",
		`{"jti":"a","all":true}`:  "/all",
	} {
		p := s.problem(s.do("POST", "/revocations", body, admin...), 422, "invalid")
		require.Equal(t, pointer, p.Errors[0].Pointer, body)
	}
	s.problem(s.do("POST", "/revocations", `{"jti":"a","jti":"b"}`, admin...), 400, "malformed")
	a := s.do("POST", "/revocations", `{"jti":"a"}`)
	s.problem(a, 403, "scope")
	require.Equal(t, `Bearer error="insufficient_scope"`, a.Header.Get("WWW-Authenticate"))
	s.tickets.err = notify.Errorf(notify.ErrOutcomeUnknown, "late")
	s.problem(s.do("POST", "/revocations", `{"jti":"a"}`, admin...), 503, "outcome-unknown")
}

func TestConnectionsOfAUser(t *testing.T) {
	s := start(t)
	admin := []string{"Authorization", "Bearer admin"}
	since := time.Date(2026, 12, 1, 9, 0, 0, 123e6, time.UTC)
	s.connections.incomplete = []string{"node-3"}
	s.connections.open = map[notify.UserID][]notify.Connection{
		"a/b%c": {
			{ID: id, Transport: "websocket", Node: "node-1", Since: since, Address: netip.MustParseAddr("192.0.2.7")},
			{ID: id, Transport: "events", Node: "node-2", Since: since},
		},
	}
	a := s.do("GET", "/users/a%2Fb%25c/connections", "", admin...)
	require.Equal(t, 200, a.StatusCode, "%s", a.body)
	require.JSONEq(t, `{"connections":[
		{"connection":"`+id+`","transport":"websocket","node":"node-1","since":"2026-12-01T09:00:00.123Z","address":"192.0.2.7"},
		{"connection":"`+id+`","transport":"events","node":"node-2","since":"2026-12-01T09:00:00.123Z"}],
		"incomplete":["node-3"]}`, string(a.body))
	s.connections.incomplete = nil
	a = s.do("GET", "/users/nobody/connections", "", admin...)
	require.JSONEq(t, `{"connections":[]}`, string(a.body))

	require.Equal(t, 204, s.do("DELETE", "/users/a%2Fb%25c/connections", "", admin...).StatusCode)
	require.Equal(t, []notify.UserID{"a/b%c"}, s.connections.ended)
	for _, method := range []string{"GET", "DELETE"} {
		s.problem(s.do(method, "/users/a%20b/connections", "", admin...), 404, "not-found")
		s.problem(s.do(method, "/users/ada/connections", "", "Authorization", "Bearer good"), 403, "scope")
		s.problem(s.do(method, "/users/ada/connections", ""), 401, "unauthenticated")
	}
	require.Len(t, s.connections.ended, 1)
}

func TestWebhooks(t *testing.T) {
	s := start(t)
	signed := func(id string, others ...string) []string {
		return append([]string{"Authorization", "", "webhook-id", id, "webhook-timestamp", "1", "webhook-signature", "v1,x"}, others...)
	}
	a := s.do("POST", "/notify", toAda, signed("good")...)
	require.Equal(t, 202, a.StatusCode, "%s", a.body)
	require.Equal(t, "webhook:shop", s.publisher.by.Name)
	require.Equal(t, service.Call{Path: "/notify", Key: "good"}, s.publisher.calls[0])

	s.problem(s.do("POST", "/notify", toAda, signed("bad")...), 401, "token-invalid")
	s.problem(s.do("POST", "/notify", "no JSON", signed("none")...), 401, "token-invalid") // before the body is read
	s.problem(s.do("POST", "/notify", toAda, signed("good", "Idempotency-Key", "k")...), 400, "malformed")
	s.problem(s.do("POST", "/notify", toAda, signed("good", "Authorization", "Bearer good")...), 400, "malformed")
	s.problem(s.do("POST", "/notify", `{"x":`, signed("good")...), 400, "malformed")
	s.problem(s.do("POST", "/notify/batch", `{}`, signed("good")...), 401, "unauthenticated")
	require.Len(t, s.publisher.calls, 1)
}

func TestLimits(t *testing.T) {
	often := func(name string, quota int) *limit.Limiter {
		return limit.New(notify.Rate{Name: name, Quota: quota, Window: time.Hour}, 0)
	}
	s := start(t, func(o *httpapi.Options) {
		o.Requests = &limit.Principals{Users: often("requests", 1), Backends: often("requests", 4)}
		o.Handshakes = often("handshakes", 3)
	})
	told := func(a answer, policy string) {
		s.problem(a, 429, "limit")
		require.Equal(t, policy, a.Header.Get("RateLimit-Policy"))
		require.Regexp(t, `;r=0;t=`+a.Header.Get("Retry-After")+"$", a.Header.Get("RateLimit"))
	}
	for range 2 {
		require.Equal(t, 202, s.do("POST", "/notify", toAda).StatusCode)
		s.problem(s.do("GET", "/ws", "", "Authorization", "Bearer good"), 426, "upgrade")
	}
	told(s.do("POST", "/notify", toAda), `"requests";q=4;w=3600`)
	told(s.do("GET", "/ws", "", "Authorization", "Bearer good"), `"requests";q=4;w=3600`)
	told(s.do("GET", "/ws", "", "Authorization", "Bearer good"), `"handshakes";q=3;w=3600`)
	s.problem(s.do("GET", "/ws", "", "Authorization", "Bearer bad"), 401, "token-invalid")
	require.Equal(t, 200, s.do("GET", "/users/ada/connections", "", "Authorization", "Bearer admin").StatusCode, "another principal")
}

// A slot is given back when no connection comes of it.
func TestSlots(t *testing.T) {
	s := start(t)
	s.connections.hub = hub.New(hub.Options{PerAddress: 1, Connections: 2})
	for range 3 { // a probe, and a handler that takes no slot
		s.problem(s.do("GET", "/ws", "", "Authorization", "Bearer good"), 426, "upgrade")
		require.Equal(t, 200, s.do("GET", "/events", "", "Authorization", "Bearer good").StatusCode)
	}
	slot, err := s.connections.hub.Admit(netip.MustParseAddr("127.0.0.1"))
	require.NoError(t, err)
	a := s.do("GET", "/ws", "", "Authorization", "Bearer good")
	s.problem(a, 429, "limit")
	require.Equal(t, `"connections";q=1;qu="concurrent-requests"`, a.Header.Get("RateLimit-Policy"))
	slot.Release()

	for _, from := range []string{"192.0.2.1", "192.0.2.2"} {
		_, err := s.connections.hub.Admit(netip.MustParseAddr(from))
		require.NoError(t, err)
	}
	a = s.do("GET", "/ws", "", handshake()...)
	s.problem(a, 503, "unavailable")
	require.NotEmpty(t, a.Header.Get("Retry-After"))
}

// The answer to an internal error has no details of it.
func TestAFaultOfTickets(t *testing.T) {
	s := start(t)
	s.tickets.err = errors.New("secret of ours")
	for _, a := range []answer{s.do("POST", "/tickets", ""), s.do("GET", "/ws?ticket="+ticket, "")} {
		p := s.problem(a, http.StatusInternalServerError, "internal")
		raw, err := json.Marshal(p)
		require.NoError(t, err)
		require.NotContains(t, string(raw), "secret")
	}
}
