package httpapi_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/httpapi"
	"github.com/bellhop/bellhop/internal/notify"
)

// serveBackup serves the admin listener with a writer of backups. end ends the server and returns
// the log.
func serveBackup(t *testing.T, write httpapi.BackupWriter) (url string, end func() string) {
	t.Helper()
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	h := httpapi.Admin(httpapi.AdminOptions{
		Metrics: http.NotFoundHandler(), Backup: write, Backups: httpapi.BackupsOn, Logger: logger,
	})
	server := httptest.NewUnstartedServer(nil)
	server.Config = httpapi.NewAdminServer(h, 16<<10, slog.New(slog.DiscardHandler))
	server.Start()
	t.Cleanup(server.Close)
	return server.URL + "/backup", func() string {
		server.Close()
		return log.String()
	}
}

func TestABackupIsStreamed(t *testing.T) {
	url, end := serveBackup(t, func(ctx context.Context, begin func(context.Context, notify.Sequence) io.WriteCloser) error {
		w := begin(ctx, 42)
		_, err := io.WriteString(w, "the backup")
		return errors.Join(err, w.Close())
	})
	for range 2 { // the connection can be used again
		req, err := http.NewRequest(http.MethodGet, url, http.NoBody)
		require.NoError(t, err)
		req.Header.Set("X-Forwarded-For", "10.9.9.9")
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, "the backup", string(body))
		require.Equal(t, "application/zstd", resp.Header.Get("Content-Type"))
		require.Equal(t, `attachment; filename="bellhop-42.tar.zst"`, resp.Header.Get("Content-Disposition"))
		require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
	}
	resp, err := http.Head(url)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode, "HEAD would make a copy for nothing")
	log := end()
	require.Contains(t, log, `msg="action carried out" audit=true action=backup outcome=done target="sequence 42"`)
	require.Contains(t, log, "address=127.0.0.1 bytes=10")
	require.NotContains(t, log, "10.9.9.9")
}

func TestABackupThatCannotBeginIsAProblem(t *testing.T) {
	url, _ := serveBackup(t, func(context.Context, func(context.Context, notify.Sequence) io.WriteCloser) error {
		return &notify.Error{Kind: notify.ErrUnavailable, Detail: "another backup is running", RetryAfter: 30 * time.Second}
	})
	resp, err := http.Get(url)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode)
	require.Equal(t, "30", resp.Header.Get("Retry-After"))
	require.Contains(t, string(body), "another backup is running")
}

// A client never takes a part of a backup for the whole.
func TestABackupThatFailsOnTheWayIsAnErrorForItsClient(t *testing.T) {
	url, end := serveBackup(t, func(ctx context.Context, begin func(context.Context, notify.Sequence) io.WriteCloser) error {
		w := begin(ctx, 42)
		_, err := io.WriteString(w, "a part of")
		return errors.Join(err, w.Close(), errors.New("the disk cannot be read"))
	})
	resp, err := http.Get(url)
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	require.Error(t, err)
	require.Contains(t, end(), "the disk cannot be read")
}

// A client that does not read holds a backup only until that has to be given up.
func TestAClientThatDoesNotReadIsLetGo(t *testing.T) {
	stopping := errors.New("stopping")
	begun, ended := make(chan struct{}), make(chan error, 1)
	give := make(chan struct{})
	url, _ := serveBackup(t, func(ctx context.Context, begin func(context.Context, notify.Sequence) io.WriteCloser) error {
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		w := begin(ctx, 42)
		go func() {
			<-give
			cancel(stopping)
		}()
		piece := make([]byte, 128<<10)
		_, err := w.Write(piece)
		close(begun)
		for err == nil {
			_, err = w.Write(piece)
		}
		ended <- errors.Join(err, w.Close())
		return err
	})
	resp, err := http.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	<-begun
	close(give)
	select {
	case err := <-ended:
		require.ErrorIs(t, err, stopping)
	case <-time.After(20 * time.Second):
		t.Fatal("the client holds the backup")
	}
	_, err = io.Copy(io.Discard, resp.Body)
	require.Error(t, err)
}

// A backup has secrets and the texts of all notifications, so that by default only this machine
// may have one, although others may read metrics.
func TestOnlyThisMachineMayHaveABackup(t *testing.T) {
	for _, test := range []struct {
		setting, from string
		want          int
		forwarded     bool // by a proxy
	}{
		{httpapi.BackupsLocal, "127.0.0.1:999", 200, false},
		{httpapi.BackupsLocal, "[::1]:999", 200, false},
		{httpapi.BackupsLocal, "[::ffff:127.0.0.1]:999", 200, false},
		{httpapi.BackupsLocal, "127.0.0.1:999", 404, true},
		{httpapi.BackupsLocal, "10.1.2.3:999", 404, false},
		{httpapi.BackupsLocal, "[2001:db8::1]:999", 404, false},
		{httpapi.BackupsLocal, "", 404, false},
		{httpapi.BackupsOn, "10.1.2.3:999", 200, false},
		{httpapi.BackupsOn, "127.0.0.1:999", 200, true},
		{"off", "127.0.0.1:999", 404, false},
		{"", "127.0.0.1:999", 404, false},
	} {
		o := httpapi.AdminOptions{
			Metrics: http.NotFoundHandler(), Backups: test.setting, Logger: slog.New(slog.DiscardHandler),
			Hosts: []string{"bellhop.example"},
			Backup: func(ctx context.Context, begin func(context.Context, notify.Sequence) io.WriteCloser) error {
				return begin(ctx, 1).Close()
			},
		}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.RemoteAddr, r.Host = test.from, "bellhop.example"
			if test.forwarded {
				r.Header.Set("X-Forwarded-For", "192.0.2.7")
			}
			httpapi.Admin(o).ServeHTTP(w, r)
		}))
		resp, err := http.Get(server.URL + "/backup")
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		server.Close()
		require.Equal(t, test.want, resp.StatusCode, "%s from %q", test.setting, test.from)
		if test.want == 404 {
			require.Contains(t, string(body), "BELLHOP_BACKUPS")
		}
	}
}
