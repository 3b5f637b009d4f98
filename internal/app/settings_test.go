package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/app"
	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/telemetry"
)

// lines is the log of a service, of which a test awaits lines.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // has a value when a line was written
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
	return l.text.Write(p)
}

func (l *lines) find(parts ...string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
next:
	for line := range strings.Lines(l.text.String()) {
		for _, part := range parts {
			if !strings.Contains(line, part) {
				continue next
			}
		}
		return line
	}
	return ""
}

// await returns the first line that contains all parts.
func (l *lines) await(t *testing.T, parts ...string) string {
	t.Helper()
	for {
		if line := l.find(parts...); line != "" {
			return line
		}
		select {
		case <-l.more:
		case <-t.Context().Done():
			t.Fatalf("no line has %q", parts)
		}
	}
}

// followed is a service whose file of settings a test rewrites.
type followed struct {
	file, public, admin string
	log                 *lines
	hangups             chan os.Signal
}

func (f *followed) write(t *testing.T, text string) {
	t.Helper()
	next := f.file + ".next"
	require.NoError(t, os.WriteFile(next, []byte(text), 0o600))
	require.NoError(t, os.Rename(next, f.file))
}

// follow runs a service whose settings are in a file with this text, with a log in this format.
func follow(t *testing.T, format, text string) *followed {
	t.Helper()
	dir := t.TempDir()
	f := &followed{file: filepath.Join(dir, "bellhop.yaml"), log: &lines{more: make(chan struct{}, 1)}, hangups: make(chan os.Signal, 1)}
	f.write(t, text)
	sources := config.Sources{
		Flags:   map[string]string{"config": f.file},
		Environ: []string{"BELLHOP_LISTEN=127.0.0.1:0", "BELLHOP_ADMIN_LISTEN=127.0.0.1:0", "BELLHOP_DATA_DIR=" + filepath.Join(dir, "data"), "BELLHOP_DRAIN_WINDOW=0"},
		NeedKey: true,
	}
	cfg, err := config.Load(sources)
	require.NoError(t, err)
	out := telemetry.NewOutput(f.log)
	t.Cleanup(out.Close)
	log := telemetry.NewLog(out, cfg.LogLevel, format)
	t.Cleanup(log.Close)
	ctx, stop := context.WithCancel(context.Background())
	ended, listens := make(chan error, 1), make(chan struct{})
	go func() {
		ended <- app.Run(ctx, cfg, app.Options{
			Log: log, Hangups: f.hangups, Sources: &sources,
			Listening: func(public, admin net.Addr) {
				f.public, f.admin = public.String(), admin.String()
				close(listens)
			},
		})
	}()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	<-listens
	return f
}

// allows reports whether an origin may read answers.
func (f *followed) allows(t *testing.T, origin string) bool {
	t.Helper()
	return f.get(t, "http://"+f.public+"/healthz", "Origin", origin).Header.Get("Access-Control-Allow-Origin") == origin
}

func (f *followed) get(t *testing.T, url, name, value string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	require.NoError(t, err)
	r.Header.Set(name, value)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	resp.Body.Close()
	return resp
}

// inbox returns the status of a request with a token that is signed with the secret.
func (f *followed) inbox(t *testing.T, secret string) int {
	t.Helper()
	token, err := auth.Sign([]byte(secret), auth.Claims{User: notify.UserID("ada"), TTL: time.Hour})
	require.NoError(t, err)
	return f.get(t, "http://"+f.public+"/inbox", "Authorization", "Bearer "+token).StatusCode
}

const nextSecret = "fedcba9876543210fedcba9876543210"

// The file is followed without a signal. Origins, secrets, limits and the log level change; what
// needs a restart is named; no line has a secret.
func TestAChangedFileOfSettingsTakesEffect(t *testing.T) {
	f := follow(t, "text", "jwt_secret: "+benchSecret+"\nallowed_origins: ['https://a.example']\n")
	require.True(t, f.allows(t, "https://a.example"))
	require.False(t, f.allows(t, "https://b.example"))
	require.Equal(t, 200, f.inbox(t, benchSecret))
	require.Equal(t, 401, f.inbox(t, nextSecret))

	f.write(t, "jwt_secret: "+nextSecret+"\nallowed_origins: ['https://b.example']\nrequests_per_second: 1\nretention: 1d\nrequest_head_bytes: 32KiB\nlog_level: debug\n")
	line := f.log.await(t, "audit=true", "action=reload", "outcome=done", "target="+f.file)
	for _, part := range []string{
		"BELLHOP_ALLOWED_ORIGINS: https://a.example to https://b.example", "BELLHOP_JWT_SECRET",
		"BELLHOP_REQUESTS_PER_SECOND: 100 to 1", "BELLHOP_LOG_LEVEL: info to debug",
	} {
		require.Contains(t, line, part)
	}
	f.log.await(t, "take effect at the next start", "BELLHOP_RETENTION: 30d to 1d", "BELLHOP_REQUEST_HEAD_BYTES: 16KiB to 32KiB")
	require.Empty(t, f.log.find(benchSecret))
	require.Empty(t, f.log.find(nextSecret))

	require.False(t, f.allows(t, "https://a.example"))
	require.True(t, f.allows(t, "https://b.example"))
	require.Equal(t, 401, f.inbox(t, benchSecret))
	require.Equal(t, 200, f.inbox(t, nextSecret))
	statuses := map[int]bool{}
	for range 20 {
		statuses[f.inbox(t, nextSecret)] = true
	}
	require.True(t, statuses[http.StatusTooManyRequests], "the new limit of one request in a second does not hold: %v", statuses)
}

// A file with a mistake changes nothing, however many of its settings are right, and the log has
// every mistake with its line.
func TestASettingsFileWithAMistakeChangesNothing(t *testing.T) {
	f := follow(t, "text", "jwt_secret: "+benchSecret+"\nallowed_origins: ['https://a.example']\n")
	f.write(t, "jwt_secret: "+nextSecret+"\nallowed_origins: ['https://b.example', b.example]\nretention: soon\nlisten_to: all\nlog_level: debug\n")
	line := f.log.await(t, "level=WARN", "the last good version stays in use")
	for _, part := range []string{
		`origin \"b.example\"`, f.file + ":2)", "BELLHOP_RETENTION: ", f.file + ":3)", f.file + ":4: unknown setting listen_to", "bellhop config --check",
	} {
		require.Contains(t, line, part)
	}
	f.hangups <- syscall.SIGHUP
	line = f.log.await(t, "audit=true", "outcome=partly")
	require.Contains(t, line, f.file+":3)")
	require.True(t, f.allows(t, "https://a.example"))
	require.False(t, f.allows(t, "https://b.example"))
	require.Equal(t, 200, f.inbox(t, benchSecret))
	require.Equal(t, 401, f.inbox(t, nextSecret))
	require.Empty(t, f.log.find("level=DEBUG"))
	require.Empty(t, f.log.find(nextSecret))

	f.write(t, "jwt_secret: "+benchSecret+"\nallowed_origins: ['https://b.example']\n")
	f.hangups <- syscall.SIGHUP
	f.log.await(t, "audit=true", "action=reload", "target="+f.file, "BELLHOP_ALLOWED_ORIGINS")
	require.True(t, f.allows(t, "https://b.example"))
}

// The hash that an operator asks for is the one in the lines about the user, which have her
// issuer and never her name.
func TestLinesOfAUserAreFoundByHerHash(t *testing.T) {
	f := follow(t, "json", "jwt_secret: "+benchSecret+"\nlog_level: debug\njwt_issuer: https://login.example.com\n")
	token, err := auth.Sign([]byte(benchSecret), auth.Claims{User: "ada.lovelace", Issuer: "https://login.example.com", TTL: time.Hour})
	require.NoError(t, err)
	require.Equal(t, 200, f.get(t, "http://"+f.public+"/inbox", "Authorization", "Bearer "+token).StatusCode)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+f.admin+"/log-user?user=ada.lovelace", http.NoBody)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	var found struct{ Hash string }
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&found))
	require.Len(t, found.Hash, 16)
	line := f.log.await(t, `"msg":"request"`, `"route":"/inbox"`, `"status":200`)
	require.Contains(t, line, `"user":"`+found.Hash+`"`)
	require.Contains(t, line, `"issuer":"https://login.example.com"`)
	require.Contains(t, line, `"request_id":"`)
	require.Empty(t, f.log.find("ada.lovelace"))
}
