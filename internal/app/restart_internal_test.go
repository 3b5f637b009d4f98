package app

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/test/natsserver"
)

// program is a node of a cluster as it is run by its program.
type program struct {
	dir    string
	starts atomic.Int32
	url    atomic.Pointer[string]
	stop   func()
}

// serve runs a node with a data directory, and waits until it serves.
func serve(t *testing.T, servers *natsserver.Cluster, name, dir string) *program {
	t.Helper()
	cfg, err := config.Load(config.Sources{Environ: []string{
		"BELLHOP_NATS_URL=" + servers.URL, "BELLHOP_REPLICAS=1", "BELLHOP_UNSAFE_REPLICAS=true", "BELLHOP_NODE=" + name, "BELLHOP_DATA_DIR=" + dir,
		"BELLHOP_LISTEN=127.0.0.1:0", "BELLHOP_ADMIN_LISTEN=127.0.0.1:0", "BELLHOP_DRAIN_WINDOW=0", "BELLHOP_MIN_FREE_BYTES=0",
		"BELLHOP_JWT_SECRET=0123456789abcdef0123456789abcdef",
	}, NeedKey: true})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	s := &program{dir: dir}
	var running sync.WaitGroup
	running.Go(func() {
		assert.NoError(t, Run(ctx, cfg, Options{Listening: func(public, _ net.Addr) {
			url := "http://" + public.String()
			s.url.Store(&url)
			s.starts.Add(1)
		}}))
	})
	s.stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(s.stop)
	s.waitUntil(t, func() bool { return s.readyz() == http.StatusOK })
	return s
}

func (s *program) waitUntil(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, 30*time.Second, 20*time.Millisecond)
}

// readyz returns the status of /readyz, 0 if there is no answer.
func (s *program) readyz() int {
	url := s.url.Load()
	if url == nil {
		return 0
	}
	resp, err := http.Get(*url + "/readyz")
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// A node that runs while the journal is recovered from another node's store takes that store
// over by itself, without a new process.
func TestARunningNodeTakesOverARecoveredJournal(t *testing.T) {
	servers := natsserver.Start(t, natsserver.Options{Servers: 1})
	first := serve(t, servers, "first", dataDir(t))
	second := serve(t, servers, "second", dataDir(t))
	first.stop()
	deleteStream(t, servers)
	second.waitUntil(t, func() bool { return second.readyz() == http.StatusServiceUnavailable })

	_, err := newRecovery(t, servers, first.dir).run(t.Context())
	require.NoError(t, err)
	second.waitUntil(t, func() bool { return second.starts.Load() == 2 && second.readyz() == http.StatusOK })
	first = serve(t, servers, "first", first.dir)
	require.EqualValues(t, 1, first.starts.Load())
}
