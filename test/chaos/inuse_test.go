//go:build linux

package chaos

import (
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// All tables are overwritten while many requests read them. Each request ends, with an answer or with the
// process, which exits because it cannot apply an entry, and says what is damaged and what to do.
func TestDamageInUseEndsEachRequest(t *testing.T) {
	p := &process{t: t, binary: build(t), dir: t.TempDir()}
	p.start()
	p.publishLarge(0, 40)
	p.end(t, syscall.SIGTERM)
	p.start() // reads from the tables, not from memory
	overwrite(t, filepath.Join(p.dir, "store", "*.sst"))

	backend, ada := token(t, "backend", notify.ScopePublish), token(t, "ada")
	client := &http.Client{Timeout: timeout}
	t.Cleanup(client.CloseIdleConnections)
	request := func(method, path, token, body string) (more bool) {
		r, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
		if !assert.NoError(t, err) {
			return false
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := client.Do(r)
		if err != nil {
			var late net.Error
			assert.False(t, errors.As(err, &late) && late.Timeout(), "%s %s is not answered: %v", method, path, err)
			return !errors.Is(err, syscall.ECONNREFUSED)
		}
		return assert.NoError(t, resp.Body.Close())
	}
	var open sync.WaitGroup
	for range 16 {
		open.Go(func() {
			for request(http.MethodPost, "/notify", backend, numbered(1)) {
			}
		})
		open.Go(func() {
			for request(http.MethodGet, "/inbox?limit=100", ada, "") {
			}
		})
	}
	code, output := p.wait(t)
	open.Wait()
	require.NotZero(t, code)
	require.Contains(t, output, "corrupt data in the store; restore the data directory from a backup")
	last := output[strings.LastIndex(strings.TrimSpace(output), "\nbellhop: "):]
	require.Contains(t, last, "checksum mismatch")
	require.Contains(t, last, "Restore the data directory from a backup")
}

// overwrite flips a bit in each 100 bytes of the files that match a pattern, which stay the same files.
func overwrite(t *testing.T, pattern string) {
	t.Helper()
	names, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		for i := len(b) / 100; i < len(b); i += 100 {
			b[i] ^= 1
		}
		file, err := os.OpenFile(name, os.O_WRONLY, 0)
		require.NoError(t, err)
		_, err = file.Write(b)
		require.NoError(t, errors.Join(err, file.Close()))
	}
}
