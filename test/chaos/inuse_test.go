//go:build linux

package chaos

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// All tables are overwritten while the service uses them. Each request ends, with an answer or with the
// process, and the log says what is damaged and what to do.
func TestDamageInUseEndsEachRequest(t *testing.T) {
	// The process exits because it cannot apply an entry.
	t.Run("publishes", func(t *testing.T) {
		t.Parallel()
		p := damagedInUse(t)
		backend := token(t, "backend", notify.ScopePublish)
		var next atomic.Int64 // a user whose history has not been read
		p.untilRefused(func() (status int, err error) {
			body := strings.Replace(numbered(1), "ada", fmt.Sprintf("%0125d", next.Add(1)), 1)
			return p.request(http.MethodPost, "/notify", backend, body)
		})
		code, output := p.wait(t)
		require.NotZero(t, code)
		require.Contains(t, output, "corrupt data in the store; restore the data directory from a backup")
		last := output[strings.LastIndex(strings.TrimSpace(output), "\nbellhop: "):]
		require.Contains(t, last, "checksum mismatch")
		require.Contains(t, last, "Restore the data directory from a backup")
	})
	// The process goes on, answers 500, and refuses what would write.
	t.Run("reads", func(t *testing.T) {
		t.Parallel()
		p := damagedInUse(t)
		ada := token(t, "ada")
		p.untilRefused(func() (status int, err error) {
			return p.request(http.MethodGet, "/inbox?limit=100", ada, "")
		})
		status, err := p.request(http.MethodPost, "/notify", token(t, "backend", notify.ScopePublish), numbered(1))
		require.NoError(t, err)
		require.Equal(t, http.StatusServiceUnavailable, status)
		_, output := p.end(t, syscall.SIGTERM)
		require.Contains(t, output, "corrupt data in the store; restore the data directory from a backup")
	})
}

// damagedInUse returns a process with 40 notifications to 1,000 users, whose tables are damaged after it
// has opened them.
func damagedInUse(t *testing.T) *process {
	p := &process{t: t, binary: build(t), dir: t.TempDir()}
	p.start()
	p.publishLarge(0, 40)
	p.end(t, syscall.SIGTERM)
	p.start() // reads from the tables, not from memory
	overwrite(t, filepath.Join(p.dir, "store", "*.sst"))
	return p
}

// untilRefused repeats a request from 16 clients until it fails. It may take no longer than the client's
// timeout.
func (p *process) untilRefused(request func() (status int, err error)) {
	var clients sync.WaitGroup
	for range 16 {
		clients.Go(func() {
			for {
				status, err := request()
				var late net.Error
				assert.False(p.t, errors.As(err, &late) && late.Timeout(), "a request is not answered: %v", err)
				if err != nil || status >= http.StatusInternalServerError {
					return
				}
			}
		})
	}
	clients.Wait()
}

func (p *process) request(method, path, token, body string) (status int, err error) {
	r, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := (&http.Client{Timeout: timeout}).Do(r)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
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
