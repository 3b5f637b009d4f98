package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const exposed = "Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate, X-Request-Id, Date"

// TestCORS holds that pages of listed origins read every answer, errors too,
// and pages of others none.
func TestCORS(t *testing.T) {
	s := start(t)
	for name, ask := range map[string]func(headers ...string) answer{
		"accepted":  func(h ...string) answer { return s.do("POST", "/notify", toAda, h...) },
		"invalid":   func(h ...string) answer { return s.do("POST", "/notify", `{"colour":1}`, h...) },
		"no token":  func(h ...string) answer { return s.do("POST", "/notify", toAda, append(h, "Authorization", "")...) },
		"not found": func(h ...string) answer { return s.do("GET", "/nowhere", "", h...) },
		"method":    func(h ...string) answer { return s.do("PUT", "/notify", "", h...) },
		"health":    func(h ...string) answer { return s.do("GET", "/livez", "", h...) },
		"probe":     func(h ...string) answer { return s.do("GET", "/ws", "", append(h, "Authorization", "Bearer good")...) },
	} {
		t.Run(name, func(t *testing.T) {
			a := ask("Origin", page)
			require.Equal(t, page, a.Header.Get("Access-Control-Allow-Origin"))
			require.Equal(t, exposed, a.Header.Get("Access-Control-Expose-Headers"))
			require.Equal(t, []string{"Origin"}, a.Header.Values("Vary"))

			for _, headers := range [][]string{nil, {"Origin", stranger}, {"Origin", page, "Origin", page}, {"Origin", "null"}} {
				a := ask(headers...)
				requireNoCORS(t, a)
				require.Equal(t, []string{"Origin"}, a.Header.Values("Vary"))
			}
		})
	}
}

func TestPreflight(t *testing.T) {
	s := start(t)
	for _, path := range []string{"/notify", "/notify/batch", "/ws", "/livez", "/nowhere"} {
		a := s.do("OPTIONS", path, "", "Origin", page,
			"Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization,content-type,idempotency-key")
		require.Equal(t, http.StatusNoContent, a.StatusCode)
		require.Equal(t, page, a.Header.Get("Access-Control-Allow-Origin"))
		require.Equal(t, "GET, POST, PUT, DELETE", a.Header.Get("Access-Control-Allow-Methods"))
		require.Equal(t, "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, X-Request-Id, Traceparent, Tracestate", a.Header.Get("Access-Control-Allow-Headers"))
		require.Equal(t, "600", a.Header.Get("Access-Control-Max-Age"))
		require.Empty(t, a.Header.Get("Access-Control-Allow-Credentials"))
		require.Equal(t, "Origin", a.Header.Get("Vary"))

		a = s.do("OPTIONS", path, "", "Origin", stranger, "Access-Control-Request-Method", "POST")
		require.Equal(t, http.StatusNoContent, a.StatusCode)
		requireNoCORS(t, a)
	}
}

func requireNoCORS(t *testing.T, a answer) {
	t.Helper()
	for name := range a.Header {
		require.False(t, strings.HasPrefix(name, "Access-Control-"), "%s: %s", name, a.Header.Get(name))
	}
}
