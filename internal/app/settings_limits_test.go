package app_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/notify"
)

// caller is a user of a service, at an address of her own.
type caller struct {
	*followed
	t             *testing.T
	token, origin string // origin is the address
}

func (f *followed) caller(t *testing.T, user, address string, scopes ...notify.Scope) *caller {
	t.Helper()
	token, err := auth.Sign([]byte(benchSecret), auth.Claims{User: notify.UserID(user), Scopes: scopes, TTL: time.Hour})
	require.NoError(t, err)
	return &caller{f, t, token, address}
}

func (c *caller) header() http.Header {
	return http.Header{"Authorization": {"Bearer " + c.token}, "X-Forwarded-For": {c.origin}, "Content-Type": {"application/json"}}
}

// do returns the status of a request.
func (c *caller) do(method, path, body string) int {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, "http://"+c.public+path, strings.NewReader(body))
	require.NoError(c.t, err)
	r.Header = c.header()
	resp, err := http.DefaultClient.Do(r)
	require.NoError(c.t, err)
	resp.Body.Close()
	return resp.StatusCode
}

// often reports whether one of many requests has the status 429.
func (c *caller) often(method, path, body string) bool {
	c.t.Helper()
	for range 40 {
		if c.do(method, path, body) == http.StatusTooManyRequests {
			return true
		}
	}
	return false
}

// open opens a connection and reads its first event, or returns the status of the refusal.
func (c *caller) open() (*websocket.Conn, int) {
	c.t.Helper()
	conn, resp, err := websocket.Dial(c.t.Context(), "ws://"+c.public+"/ws", &websocket.DialOptions{HTTPHeader: c.header()})
	if err != nil {
		require.NotNil(c.t, resp, err)
		return nil, resp.StatusCode
	}
	c.t.Cleanup(func() { _ = conn.CloseNow() })
	_, _, err = conn.Read(c.t.Context())
	require.NoError(c.t, err)
	return conn, resp.StatusCode
}

// refuses returns the status with which one of n connections of different users is refused; 0:
// none is. address returns the address of each.
func (f *followed) refuses(t *testing.T, n int, user string, address func(i int) string) int {
	t.Helper()
	var open []*websocket.Conn
	defer func() {
		for _, conn := range open {
			_ = conn.CloseNow()
		}
	}()
	for i := range n {
		conn, status := f.caller(t, fmt.Sprint(user, i), address(i)).open()
		if conn == nil {
			return status
		}
		open = append(open, conn)
	}
	return 0
}

// closes returns the code with which a connection is closed before an event with the text; 0: the
// event arrives.
func closes(t *testing.T, conn *websocket.Conn, text string) int {
	t.Helper()
	if _, err := awaitEvent(t, conn, text); err != nil {
		return int(websocket.CloseStatus(err))
	}
	return 0
}

// awaitEvent returns the next event with the text.
func awaitEvent(t *testing.T, conn *websocket.Conn, text string) (string, error) {
	t.Helper()
	for {
		_, event, err := conn.Read(t.Context())
		if err != nil || strings.Contains(string(event), text) {
			return string(event), err
		}
	}
}

const later = `{"to":{"users":["nobody"]},"type":"t"}`

// limitCase tries to exceed a limit, and reports whether it was in force.
type limitCase struct {
	line    string // of the file of settings
	exceeds func(t *testing.T, f *followed, user string) bool
}

// limitCases have users and addresses of their own. The last ones use all connections.
func limitCases() []limitCase {
	return []limitCase{
		{"connections_per_user: 2", func(t *testing.T, f *followed, user string) bool {
			ada := f.caller(t, user, "192.0.2.1", notify.ScopePublish)
			first, _ := ada.open()
			ada.open()
			ada.open()
			require.Equal(t, 202, ada.do("POST", "/notify", fmt.Sprintf(`{"to":{"users":[%q]},"type":"t","title":"hello"}`, user)))
			return closes(t, first, "hello") == 4409
		}},
		{"commands_per_10s: 3", func(t *testing.T, f *followed, user string) bool {
			conn, _ := f.caller(t, user, "192.0.2.2", notify.ScopePublish).open()
			for i := range 10 {
				_ = conn.Write(t.Context(), websocket.MessageText, fmt.Appendf(nil, `{"event":"publish","ref":"r%d","data":%s}`, i, later))
			}
			return closes(t, conn, "r9") != 0
		}},
		{"marks_per_10s: 1", func(t *testing.T, f *followed, user string) bool {
			return f.caller(t, user, "192.0.2.3").often("POST", "/inbox/read", `{"ids":["018f2b5e-7c1a-7000-8000-000000000000"]}`)
		}},
		{"publishes_per_second: 2", func(t *testing.T, f *followed, user string) bool {
			return f.caller(t, user, "192.0.2.4", notify.ScopePublish).often("POST", "/notify", later)
		}},
		{"broadcasts_per_second: 2", func(t *testing.T, f *followed, user string) bool {
			return f.caller(t, user, "192.0.2.5", notify.ScopeBroadcast).often("POST", "/notify", `{"to":{"all":true},"type":"t"}`)
		}},
		{"requests_per_second: 5", func(t *testing.T, f *followed, user string) bool {
			return f.caller(t, user, "192.0.2.6").often("GET", "/inbox", "")
		}},
		{"backend_requests_per_second: 6", func(t *testing.T, f *followed, user string) bool {
			return f.caller(t, user, "192.0.2.7", notify.ScopePublish).often("GET", "/inbox", "")
		}},
		{"token_bytes: 1KiB", func(t *testing.T, f *followed, user string) bool {
			ada := f.caller(t, user, "192.0.2.10")
			topics := slices.Repeat([]notify.TopicPattern{"a.long.name.of.a.topic"}, 40)
			token, err := auth.Sign([]byte(benchSecret), auth.Claims{User: notify.UserID(user), Topics: topics, TTL: time.Hour})
			require.NoError(t, err)
			ada.token = token
			return ada.do("GET", "/inbox", "") == http.StatusUnauthorized
		}},
		{"json_depth: 5", func(t *testing.T, f *followed, user string) bool {
			ada := f.caller(t, user, "192.0.2.11", notify.ScopePublish)
			conn, _ := ada.open()
			const deep = `{"a":{"a":{"a":{"a":{"a":1}}}}}`
			require.NoError(t, conn.Write(t.Context(), websocket.MessageText, []byte(`{"event":"ping","ref":"deep","data":`+deep+`}`)))
			answer, err := awaitEvent(t, conn, `"ref":"deep"`)
			require.NoError(t, err)
			refused := strings.Contains(answer, `"error"`)
			require.Equal(t, refused, ada.do("POST", "/notify", `{"to":{"users":["nobody"]},"type":"t","data":`+deep+`}`) == http.StatusBadRequest)
			return refused
		}},
		{"handshakes_per_address: 8", func(t *testing.T, f *followed, user string) bool {
			for i := range 40 { // a request without an upgrade is refused for that after the limit was checked
				if f.caller(t, fmt.Sprint(user, i), "192.0.2.8").do("GET", "/ws", "") == http.StatusTooManyRequests {
					return true
				}
			}
			return false
		}},
		{"connections_per_address: 4", func(t *testing.T, f *followed, user string) bool {
			return f.refuses(t, 6, user, func(int) string { return "192.0.2.9" }) == http.StatusTooManyRequests
		}},
		{"connections: 12", func(t *testing.T, f *followed, user string) bool {
			return f.refuses(t, 20, user, func(i int) string { return fmt.Sprint("198.51.100.", i) }) == http.StatusServiceUnavailable
		}},
		{"# and with it that of network connections", func(t *testing.T, f *followed, _ string) bool {
			return f.closesSilently(t, 100)
		}},
	}
}

// closesSilently reports whether one of n network connections, which stay open, gets no answer to
// a request.
func (f *followed) closesSilently(t *testing.T, n int) bool {
	t.Helper()
	for range n {
		conn, err := net.Dial("tcp", f.public)
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		_, _ = conn.Write([]byte("GET /livez HTTP/1.1\r\nHost: bellhop\r\n\r\n"))
		if _, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil {
			return true
		}
	}
	return false
}

// awaitNoConnection waits until the service knows that all sockets are closed.
func (f *followed) awaitNoConnection(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		resp, err := http.Get("http://" + f.admin + "/metrics")
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return strings.Contains(string(body), `bellhop_connections{transport="websocket"} 0`)
	}, time.Minute, 10*time.Millisecond)
}

// Every limit of a group that a file changes at once holds in the running service, and held for
// nobody before. With little memory the limit on network connections depends on that on sockets.
func TestEveryLimitOfAChangedFileHolds(t *testing.T) {
	const common = "jwt_secret: " + benchSecret + "\ntrusted_proxies: [127.0.0.0/8]\n"
	memory := debug.SetMemoryLimit(32 << 20)
	f := follow(t, "text", common)
	debug.SetMemoryLimit(memory)
	text := common
	for i, c := range limitCases() {
		t.Run("before "+c.line, func(t *testing.T) { require.False(t, c.exceeds(t, f, fmt.Sprint("before", i))) })
		text += c.line + "\n"
	}
	f.awaitNoConnection(t)
	f.write(t, text)
	f.log.await(t, "audit=true", "action=reload", "outcome=done", "target="+f.file)
	for i, c := range limitCases() {
		t.Run("after "+c.line, func(t *testing.T) { require.True(t, c.exceeds(t, f, fmt.Sprint("after", i))) })
	}
}

// A limit that becomes reloadable needs a case above. Those of the queues need a slow reader to be
// exceeded; TestLimitsOfTheHubAreThoseOfTheSettings has them.
func TestEveryReloadableLimitHasACase(t *testing.T) {
	lines := "queue_notifications: queue_bytes: queued_bytes: "
	for _, c := range limitCases() {
		lines += c.line + " "
	}
	for _, s := range config.Default().Settings() {
		if name := strings.ToLower(strings.TrimPrefix(s.Name, "BELLHOP_")); s.Group == "Limits" && s.Live {
			require.Contains(t, " "+lines, " "+name+": ")
		}
	}
}
