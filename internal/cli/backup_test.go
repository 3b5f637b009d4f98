package cli_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// backupOf returns a backup of a store with a number of entries.
func backupOf(t *testing.T, entries int) []byte {
	t.Helper()
	s, err := store.Open(t.TempDir(), store.Options{Logger: slog.New(slog.DiscardHandler), Fatal: func(err error) { panic(err) }})
	must(t, err)
	for n := range entries {
		publish := notify.Publish{ID: fmt.Sprint(n), Audience: notify.AudienceUser, Users: []notify.UserID{"ada"}, Content: []byte("{}")}
		_, _, err := s.Apply(notify.Sequence(n+1), notify.Stamp(time.UnixMilli(int64(n)), publish))
		must(t, err)
	}
	b, err := s.Backup(t.Context())
	must(t, err)
	var to bytes.Buffer
	must(t, b.Write(&to))
	must(t, b.Close())
	must(t, s.Close())
	return to.Bytes()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// adminWith returns the URL of an admin listener that answers GET /backup with b, or with a part
// of it if declared is more than its length.
func adminWith(t *testing.T, b []byte, declared int) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/backup" || r.Method != http.MethodGet {
			t.Errorf("requested %s %s", r.Method, r.URL.Path)
		}
		w.Header().Set("Content-Length", fmt.Sprint(declared))
		_, _ = w.Write(b)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	all := []string{}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func wantContent(t *testing.T, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	must(t, err)
	if !bytes.Equal(got, want) {
		t.Errorf("%s has %d bytes, want %d others", path, len(got), len(want))
	}
}

func TestABackupIsWrittenAndRestored(t *testing.T) {
	b := backupOf(t, 7)
	url := adminWith(t, b, len(b))
	dir := t.TempDir()
	file, data := filepath.Join(dir, "monday.tar.zst"), filepath.Join(dir, "data")
	got := bellhop(t, nil, "backup", "--to", file, "--admin", url)
	got.want(t, 0, "backup complete: "+file+", sequence 7, ")
	if got.stderr != "" {
		t.Errorf("wrote %q to what is not a terminal", got.stderr)
	}
	wantContent(t, file, b)
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("the file has the mode %v, %v", info.Mode(), err)
	}
	if all := names(t, dir); len(all) != 1 {
		t.Errorf("the directory has %v", all)
	}

	got = bellhop(t, []string{"BELLHOP_DATA_DIR=" + data}, "restore", "--from", file)
	got.want(t, 0, "restored: "+data+", sequence 7, ")
	if got.stderr != "" {
		t.Errorf("wrote %q to what is not a terminal", got.stderr)
	}
	found, err := store.Inspect(data, nil)
	if err != nil || found.Damage != nil || found.Sequence != 7 {
		t.Errorf("restored %+v, %v", found, err)
	}
	bellhop(t, nil, "restore", "--from", file, "--data-dir", data).want(t, 1, "the directory is not empty")
}

func TestABackupIsWrittenToTheStandardOutput(t *testing.T) {
	b := backupOf(t, 3)
	got := bellhop(t, nil, "backup", "--to", "-", "--admin", adminWith(t, b, len(b)))
	got.want(t, 0)
	if got.stdout != string(b) || !strings.Contains(got.stderr, "backup complete: sequence 3") {
		t.Errorf("%d bytes and %q", len(got.stdout), got.stderr)
	}
	got = bellhop(t, nil, "backup", "--to", "-", "--admin", adminWith(t, b[:len(b)-1], len(b)))
	got.want(t, 1, "the backup is not complete")
}

// A file that exists is replaced only if that is asked for, and only by a whole backup. Otherwise
// not even a request is sent.
func TestABackupReplacesAFileOnlyByForce(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "backup")
	must(t, os.WriteFile(file, []byte("of yesterday"), 0o600))
	bellhop(t, nil, "backup", "--to", file, "--admin", "http://127.0.0.1:1").want(t, 1, "exists; --force replaces it")
	bellhop(t, nil, "backup", "--force", "--to", dir, "--admin", "http://127.0.0.1:1").want(t, 1, "exists and is not a file")

	b := backupOf(t, 3)
	for cut := range 5 {
		part := b[:len(b)*cut/5]
		bellhop(t, nil, "backup", "--force", "--to", file, "--admin", adminWith(t, part, len(b))).want(t, 1, "write the backup "+file)
		bellhop(t, nil, "backup", "--force", "--to", file, "--admin", adminWith(t, part, len(part))).want(t, 1, "not a complete archive")
		wantContent(t, file, []byte("of yesterday"))
	}
	bellhop(t, nil, "backup", "--force", "--to", file, "--admin", adminWith(t, b, len(b))).want(t, 0)
	wantContent(t, file, b)
	if all := names(t, dir); len(all) != 1 {
		t.Errorf("the directory has %v", all)
	}
}

func TestABackupThatIsRefusedLeavesNoFile(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, `{"type":"urn:bellhop:problem:unavailable","detail":"another backup is running"}`)
	}))
	t.Cleanup(s.Close)
	dir := t.TempDir()
	bellhop(t, nil, "backup", "--to", filepath.Join(dir, "b"), "--admin", s.URL).want(t, 1, "503 unavailable: another backup is running")
	bellhop(t, nil, "backup", "--to", filepath.Join(dir, "b"), "--admin", "http://127.0.0.1:1").want(t, 1, "connect")
	bellhop(t, nil, "backup", "--to", filepath.Join(dir, "missing", "b"), "--admin", s.URL).want(t, 1, "no such file or directory")
	bellhop(t, nil, "backup", "--admin", s.URL).want(t, 2, "--to")
	if all := names(t, dir); len(all) != 0 {
		t.Errorf("the directory has %v", all)
	}
}

func TestARestoreThatFailsChangesNothing(t *testing.T) {
	b := backupOf(t, 3)
	damaged := bytes.Clone(b)
	damaged[len(b)/2] ^= 1
	dir, parent := t.TempDir(), t.TempDir()
	data := filepath.Join(parent, "data")
	for name, content := range map[string][]byte{"cut": b[:len(b)-1], "damaged": damaged, "page": []byte("<html>"), "empty": nil} {
		file := filepath.Join(dir, name)
		must(t, os.WriteFile(file, content, 0o600))
		bellhop(t, nil, "restore", "--from", file, "--data-dir", data).want(t, 1, "not a usable checkpoint")
	}
	bellhop(t, nil, "restore", "--from", filepath.Join(dir, "missing"), "--data-dir", data).want(t, 1, "no such file or directory")
	if all := names(t, parent); len(all) != 0 {
		t.Errorf("the directory has %v", all)
	}
}
