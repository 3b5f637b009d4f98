package cli_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLogLevelIsShownAndChanged(t *testing.T) {
	var asked string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.Method + " " + r.URL.String()
		if r.Method == http.MethodPut {
			_, _ = w.Write([]byte(`{"level":"debug","configured":"info","until":"2026-12-01T12:10:00Z"}`))
			return
		}
		_, _ = w.Write([]byte(`{"level":"info","configured":"info"}`))
	}))
	t.Cleanup(s.Close)
	bellhop(t, nil, "log-level", "--admin", s.URL).want(t, 0, "info\n")
	require.Equal(t, "GET /log-level", asked)
	bellhop(t, []string{"TZ=UTC"}, "log-level", "debug", "--admin", s.URL).want(t, 0, "debug until 2026-12-01 ", ", then info\n")
	require.Equal(t, "PUT /log-level?for=10m0s&level=debug", asked)
	bellhop(t, nil, "log-level", "debug", "--for", "1h", "--admin", s.URL).want(t, 0)
	require.Equal(t, "PUT /log-level?for=1h0m0s&level=debug", asked)
}

func TestLogUserPrintsTheHash(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.String() != "/log-user?user=acme%3Aada" {
			t.Errorf("requested %s", r.URL)
		}
		_, _ = w.Write([]byte(`{"user":"acme:ada","hash":"6b1f0c52a9d3e874"}`))
	}))
	t.Cleanup(s.Close)
	got := bellhop(t, nil, "log-user", "acme:ada", "--admin", s.URL)
	got.want(t, 0)
	require.Equal(t, "6b1f0c52a9d3e874\n", got.stdout)
}

// unservable returns settings with which serve begins its log and then fails, because the data directory cannot be made.
func unservable() []string {
	return []string{
		"BELLHOP_JWT_SECRET=" + secret, "BELLHOP_DATA_DIR=/dev/null/data", "BELLHOP_LISTEN=127.0.0.1:0", "BELLHOP_ADMIN_LISTEN=127.0.0.1:0", "BELLHOP_TRUSTED_PROXIES=none",
		"BELLHOP_JWT_AUDIENCE=*",
	}
}

// Without a terminal, serve logs in JSON; an explicit format is what it says.
func TestTheFormatOfTheLogFitsItsReader(t *testing.T) {
	bellhop(t, unservable(), "serve").want(t, 1, `"level":"WARN","msg":"tokens for any audience are accepted`)
	bellhop(t, unservable(), "serve", "--log-format", "auto").want(t, 1, `"level":"WARN","msg":"tokens for any audience are accepted`)
	bellhop(t, unservable(), "serve", "--log-format", "json").want(t, 1, `"level":"WARN","msg":"tokens for any audience are accepted`)
	bellhop(t, unservable(), "serve", "--log-format", "text").want(t, 1, `level=WARN msg="tokens for any audience are accepted`)
}
