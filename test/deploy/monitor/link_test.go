package monitor

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// link is a network link to a server that becomes silent after a number of bytes: connections stay
// open, and nothing arrives any more.
type link struct {
	address string // that clients use
	to      string

	mu    sync.Mutex
	left  int // bytes that clients still receive
	conns []net.Conn

	running sync.WaitGroup
}

func newLink(t *testing.T, to string, bytes int) *link {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	k := &link{address: l.Addr().String(), to: to, left: bytes}
	k.running.Go(func() { k.accept(l) })
	t.Cleanup(func() {
		_ = l.Close()
		k.mu.Lock()
		for _, c := range k.conns {
			_ = c.Close()
		}
		k.mu.Unlock()
		k.running.Wait()
	})
	return k
}

// accept connects clients to the server, until the listener is closed.
func (k *link) accept(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", k.to)
		if err != nil {
			_ = client.Close()
			continue
		}
		k.mu.Lock()
		k.conns = append(k.conns, client, server)
		k.mu.Unlock()
		k.running.Go(func() { _, _ = io.Copy(server, client) })
		k.running.Go(func() { k.copy(client, server) })
	}
}

// copy copies what the server sends as long as the link is not silent.
func (k *link) copy(client, server net.Conn) {
	buffer := make([]byte, 4<<10)
	for {
		n, err := server.Read(buffer)
		if err != nil {
			return
		}
		if n = k.take(n); n > 0 {
			_, _ = client.Write(buffer[:n])
		}
	}
}

// take returns how many of n bytes still arrive.
func (k *link) take(n int) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	n = min(n, k.left)
	k.left -= n
	return n
}

// silent reports whether nothing arrives any more.
func (k *link) silent() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.left == 0
}
