package httpapi_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/httpapi"
	"github.com/bellhop/bellhop/internal/notify"
)

type fakeLog struct{ now httpapi.LogLevel }

func (f *fakeLog) LogLevel() httpapi.LogLevel { return f.now }

func (f *fakeLog) SetLogLevel(level slog.Level, period time.Duration) httpapi.LogLevel {
	f.now.Level, f.now.Until = level.String(), time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC).Add(period)
	return f.now
}

func (f *fakeLog) UserHash(u notify.UserID) string { return "hash of " + strconv.Itoa(len(u)) }

// The log says that somebody has asked for a hash, and does not say whose it is.
func TestTheHashOfAUserIsShown(t *testing.T) {
	var text bytes.Buffer
	h := httpapi.Admin(httpapi.AdminOptions{Metrics: http.NotFoundHandler(), Log: &fakeLog{}, Logger: slog.New(slog.NewTextHandler(&text, nil))})
	w := ask(h, "/log-user?user=acme%3Aada", own, own)
	require.Equal(t, 200, w.Code)
	require.JSONEq(t, `{"user":"acme:ada","hash":"hash of 8"}`, w.Body.String())
	require.Contains(t, text.String(), `audit=true action=log-user outcome=done target="hash of 8" request_id=`)
	require.NotContains(t, text.String(), "ada")
	require.Equal(t, 400, ask(h, "/log-user", own, own).Code)
	require.Equal(t, 400, ask(h, "/log-user?name=ada", own, own).Code)
	for _, user := range []string{"%ff", "a%20b", ".", strings.Repeat("a", notify.MaxUserBytes+1)} {
		w := ask(h, "/log-user?user="+user, own, own)
		require.Equal(t, 400, w.Code, user)
		require.Contains(t, w.Body.String(), "the query parameter user must have 1 to ")
	}
	require.Equal(t, 404, ask(admin(httpapi.AdminOptions{}), "/log-user?user=ada", own, own).Code)
}

func TestLogLevelIsShownAndChanged(t *testing.T) {
	var text bytes.Buffer
	log := &fakeLog{httpapi.LogLevel{Level: "info", Configured: "info"}}
	h := httpapi.Admin(httpapi.AdminOptions{
		Metrics: http.NotFoundHandler(), Log: log, Logger: slog.New(slog.NewTextHandler(&text, nil)),
	})
	put := func(query string, headers ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPut, "/log-level?"+query, nil)
		r.Host = "localhost:80"
		for i := 0; i < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, withLocal(r, "127.0.0.1:80"))
		return w
	}
	w := ask(h, "/log-level", own, own)
	require.Equal(t, 200, w.Code)
	require.JSONEq(t, `{"level":"info","configured":"info"}`, w.Body.String())
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))

	w = put("level=debug")
	require.Equal(t, 200, w.Code, w.Body.String())
	require.JSONEq(t, `{"level":"DEBUG","configured":"info","until":"2026-12-01T12:10:00Z"}`, w.Body.String(), "ten minutes by default")
	require.Contains(t, text.String(), `audit=true action=log-level outcome=done target="DEBUG until 2026-12-01T12:10:00Z" request_id=`)
	require.Contains(t, put("level=Warn&for=24h").Body.String(), "2026-12-02T12:00:00Z")

	for _, query := range []string{"", "level=loud", "level=debug&for=0s", "level=debug&for=25h", "level=debug&for=soon", "level=debug&until=x", "level=debug&level=info"} {
		require.Equal(t, 400, put(query).Code, query)
	}
	require.Equal(t, "WARN", log.now.Level, "a refused request changes nothing")
	require.Equal(t, 403, put("level=debug", "Sec-Fetch-Site", "cross-site").Code)
	require.Equal(t, 403, put("level=debug", "Origin", "https://evil.example").Code)
	require.Equal(t, 421, ask(h, "/log-level", own, "evil.example").Code)
	require.Equal(t, 404, ask(admin(httpapi.AdminOptions{}), "/log-level", own, own).Code, "the log of this process has no level to change")
}
