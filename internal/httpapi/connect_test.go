package httpapi_test

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/httpapi"
	"github.com/bellhop/bellhop/internal/hub"
)

// accept opens a WebSocket, sends its user and closes it.
func accept(w http.ResponseWriter, r *http.Request) {
	by, _ := auth.PrincipalOf(r.Context())
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true, Subprotocols: []string{"bellhop.v1"}})
	if err != nil {
		return
	}
	defer c.CloseNow()
	_ = c.Write(r.Context(), websocket.MessageText, []byte(by.User))
	_ = c.Close(websocket.StatusNormalClosure, "")
}

// events answers with the user of the stream.
func events(w http.ResponseWriter, r *http.Request) {
	by, _ := auth.PrincipalOf(r.Context())
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store, no-transform")
	w.Header().Set("X-Accel-Buffering", "no")
	_, _ = io.WriteString(w, "event: welcome\ndata: "+string(by.User)+"\n\n")
}

func TestConnect(t *testing.T) {
	for name, o := range map[string]websocket.DialOptions{
		"header":             {HTTPHeader: http.Header{"Authorization": {"Bearer good"}}},
		"header, our page":   {HTTPHeader: http.Header{"Authorization": {"Bearer good"}, "Origin": {page}}},
		"subprotocol":        {Subprotocols: []string{"bellhop.v1", "bearer.good"}},
		"subprotocol, empty": {HTTPHeader: http.Header{"Authorization": {"Bearer good"}}, Subprotocols: []string{"bellhop.v1"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			o.HTTPClient = s.client
			c, _, err := websocket.Dial(t.Context(), s.url+"/ws?cursor=earliest", &o)
			require.NoError(t, err)
			defer c.CloseNow()
			_, said, err := c.Read(t.Context())
			require.NoError(t, err)
			require.Equal(t, "ada", string(said))
			_, _, err = c.Read(t.Context())
			require.Equal(t, websocket.StatusNormalClosure, websocket.CloseStatus(err))
		})
	}
}

// handshake returns the headers of a valid handshake, and others.
func handshake(others ...string) []string {
	return append([]string{
		"Authorization", "Bearer good", "Connection", "keep-alive, Upgrade", "Upgrade", "WebSocket",
		"Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==",
	}, others...)
}

// TestOrderOfChecks removes one error of a request after the other. The answer always
// has the first that is left.
func TestOrderOfChecks(t *testing.T) {
	s := start(t)
	for _, upgrade := range []bool{true, false} {
		ask := func(headers ...string) answer {
			if upgrade {
				headers = merged(handshake(), headers)
			}
			return s.do("GET", "/ws", "", headers...)
		}
		s.drain()
		two := []string{"Authorization", "Bearer bad", "Sec-WebSocket-Protocol", "bellhop.v1, bearer.bad"}
		if !upgrade {
			s.problem(ask(two...), 400, "malformed")
			s.problem(ask("Origin", stranger), 401, "unauthenticated")
			s.problem(ask("Origin", stranger, "Authorization", "Bearer bad"), 401, "token-invalid")
		}
		p := s.problem(ask("Origin", stranger, "Authorization", "Bearer good"), 403, "origin")
		require.Contains(t, p.Detail, strconv.Quote(stranger))
		require.Contains(t, p.Detail, "BELLHOP_ALLOWED_ORIGINS")
		a := ask("Authorization", "Bearer good")
		s.problem(a, 503, "draining")
		require.Equal(t, "1", a.Header.Get("Retry-After"))
	}
	s.connections.hub = hub.New(hub.Options{})
	a := s.do("GET", "/ws", "", "Authorization", "Bearer good")
	s.problem(a, 426, "upgrade")
	require.Equal(t, "websocket", a.Header.Get("Upgrade"))
	require.Equal(t, "Upgrade", a.Header.Get("Connection"))
	require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
}

// While connections are closed, everything else is answered as before.
func TestDrainingRefusesConnectionsOnly(t *testing.T) {
	s := start(t)
	s.drain()
	s.problem(s.do("GET", "/ws", "", handshake()...), 503, "draining")
	require.Equal(t, 202, s.do("POST", "/notify", toAda).StatusCode)
	require.Equal(t, 200, s.do("GET", "/livez", "").StatusCode)
}

// An unknown query parameter is an error, because ignoring it could go unnoticed. It is
// refused after token and origin, and before limits and draining, which are temporary.
func TestUnknownParameters(t *testing.T) {
	s := start(t)
	s.drain()
	long := strings.Repeat("x", 300)
	for query, want := range map[string]string{
		"lastEventId=c7":              `"lastEventId" is unknown; allowed are: cursor, ticket`,
		"cursor=a&zebra=1&yak=2":      `"yak"`,
		"Cursor=a":                    `"Cursor"`,
		"limit=1":                     `"limit"`,
		"%22%0a%E2%80%AE=1":           `"\"\n\u202e"`,
		long + "=1":                   `"` + long[:40] + `"…`,
		"cursor=a&cursor=a":           "cursor must appear at most once",
		"cursor=a&cursor=b&cursor=":   "cursor must appear at most once",
		"cursor":                      "",
		"cursor=":                     "",
		"cursor=that+cannot+be+known": "",
	} {
		for _, path := range []string{"/ws", "/events"} {
			s.problem(s.do("GET", path+"?"+query, "", "Authorization", ""), 401, "unauthenticated")
			s.problem(s.do("GET", path+"?"+query, "", "Authorization", "Bearer good", "Origin", stranger), 403, "origin")
			a := s.do("GET", path+"?"+query, "", "Authorization", "Bearer good")
			if want == "" {
				s.problem(a, 503, "draining")
				continue
			}
			require.Contains(t, s.problem(a, 400, "malformed").Detail, want)
			require.NotContains(t, string(a.body), long[:41])
		}
		if want != "" {
			a := s.do("GET", "/ws?"+query, "", handshake()...)
			require.Contains(t, s.problem(a, 400, "malformed").Detail, want)
		}
	}
	require.Equal(t, `the query parameter "cursor" is unknown; allowed are: limit, before, state, type, topic, priority`,
		s.problem(s.do("GET", "/inbox?cursor=a", "", asAda...), 400, "malformed").Detail)
}

func TestRefusedHandshakes(t *testing.T) {
	s := start(t)
	for name, test := range map[string]struct {
		headers []string
		status  int
		problem string
	}{
		"no connection":    {[]string{"Connection", ""}, 426, "upgrade"},
		"another upgrade":  {[]string{"Upgrade", "h2c"}, 426, "upgrade"},
		"another version":  {[]string{"Sec-WebSocket-Version", "8"}, 426, "upgrade"},
		"no version":       {[]string{"Sec-WebSocket-Version", ""}, 426, "upgrade"},
		"no key":           {[]string{"Sec-WebSocket-Key", ""}, 400, "malformed"},
		"a short key":      {[]string{"Sec-WebSocket-Key", "c2hvcnQ="}, 400, "malformed"},
		"two origins":      {[]string{"Origin", page, "Origin", page}, 403, "origin"},
		"null origin":      {[]string{"Origin", "null"}, 403, "origin"},
		"only others":      {[]string{"Sec-WebSocket-Protocol", "soap"}, 400, "malformed"},
		"token alone":      {[]string{"Authorization", "", "Sec-WebSocket-Protocol", "bearer.good"}, 400, "malformed"},
		"two places":       {[]string{"Sec-WebSocket-Protocol", "bellhop.v1, bearer.good"}, 400, "malformed"},
		"keys unreachable": {[]string{"Authorization", "Bearer nokeys"}, 503, "unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.do("GET", "/ws", "", merged(handshake(), test.headers)...)
			s.problem(a, test.status, test.problem)
			if test.status == 426 {
				require.Equal(t, "13", a.Header.Get("Sec-WebSocket-Version"))
			}
		})
	}
	a := s.do("GET", "/ws?access_token=eyJhbGciOiJIUzI1NiJ9.e30.c2ln", "", "Authorization", "Bearer good")
	s.problem(a, 401, "token-invalid")
	require.NotContains(t, s.logs.String(), "eyJ")
	require.NotContains(t, string(a.body), "eyJ")
}

// merged returns headers with those of others in place of theirs.
func merged(headers, others []string) []string {
	var all []string
	for i := 0; i < len(headers); i += 2 {
		if !strings.Contains(strings.Join(others, "\n")+"\n", headers[i]+"\n") {
			all = append(all, headers[i], headers[i+1])
		}
	}
	return append(all, others...)
}

// A connection that was taken over is not answered again, even if its handler panics.
func TestAHijackedConnectionIsNotAnsweredAgain(t *testing.T) {
	s := start(t, func(o *httpapi.Options) {
		o.WebSocket = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			accept(w, r)
			panic("secret of ours")
		})
	})
	c, _, err := websocket.Dial(t.Context(), s.url+"/ws", &websocket.DialOptions{
		HTTPClient: s.client, HTTPHeader: http.Header{"Authorization": {"Bearer good"}},
	})
	require.NoError(t, err)
	defer c.CloseNow()
	_, said, err := c.Read(t.Context())
	require.NoError(t, err)
	require.Equal(t, "ada", string(said))
	_, _, err = c.Read(t.Context())
	require.Equal(t, websocket.StatusNormalClosure, websocket.CloseStatus(err))
}
