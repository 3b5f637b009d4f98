package nowait_test

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/nowait"
)

// dial returns the two ends of a connection, the first as a Dialer makes it.
func dial(t *testing.T) (outgoing net.Conn, peer *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	outgoing, err = nowait.Dialer{Timeout: 10 * time.Second}.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { outgoing.Close() })
	accepted, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { accepted.Close() })
	return outgoing, accepted.(*net.TCPConn)
}

func TestAnOutgoingConnectionReadsUntilTheEnd(t *testing.T) {
	outgoing, peer := dial(t)
	want := much()
	go func() {
		_, err := peer.Write(want)
		assert.NoError(t, err)
		assert.NoError(t, peer.CloseWrite())
	}()
	n, err := outgoing.Read(nil)
	require.NoError(t, err)
	assert.Zero(t, n)
	// Not io.ReadAll on the connection itself: only Read is meant.
	got, err := io.ReadAll(struct{ io.Reader }{outgoing})
	require.NoError(t, err)
	assert.True(t, bytes.Equal(want, got))
}

func TestAnOutgoingConnectionWaitsForData(t *testing.T) {
	outgoing, peer := dial(t)
	b := make([]byte, 16)
	require.NoError(t, outgoing.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
	_, err := outgoing.Read(b)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)

	require.NoError(t, outgoing.SetReadDeadline(time.Time{}))
	got := make(chan string, 1)
	go func() {
		n, err := outgoing.Read(b)
		assert.NoError(t, err)
		got <- string(b[:n])
	}()
	_, err = peer.Write([]byte("late"))
	require.NoError(t, err)
	assert.Equal(t, "late", <-got)
}

func TestWritersOfAnOutgoingConnectionDoNotMix(t *testing.T) {
	outgoing, peer := dial(t)
	const size, writers = 1 << 20, 8
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			n, err := outgoing.Write(bytes.Repeat([]byte{byte('a' + i)}, size))
			assert.NoError(t, err)
			assert.Equal(t, size, n)
		})
	}
	go func() { wg.Wait(); outgoing.Close() }()
	got, err := io.ReadAll(peer)
	require.NoError(t, err)
	require.Len(t, got, size*writers)
	for part := got; len(part) > 0; part = part[size:] {
		assert.Equal(t, size, bytes.Count(part[:size], part[:1]), "data of another write is within %q", part[0])
	}
}

func TestErrorsOfAnOutgoingConnection(t *testing.T) {
	outgoing, peer := dial(t)
	b := make([]byte, 16)
	require.NoError(t, outgoing.SetReadDeadline(time.Now().Add(-time.Second)))
	_, err := outgoing.Read(b)
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	assert.True(t, timeout.Timeout())

	require.NoError(t, outgoing.SetReadDeadline(time.Time{}))
	require.NoError(t, peer.SetLinger(0))
	require.NoError(t, peer.Close()) // sends a reset
	_, err = outgoing.Read(b)
	require.EqualError(t, err, "read tcp "+outgoing.LocalAddr().String()+"->"+outgoing.RemoteAddr().String()+": read: connection reset by peer")

	other, _ := dial(t)
	closed := make(chan error, 1)
	go func() {
		_, err := other.Read(b)
		closed <- err
	}()
	require.NoError(t, other.Close())
	require.ErrorIs(t, <-closed, net.ErrClosed)
}

func TestADialerThatFails(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	_, err = nowait.Dialer{Timeout: 10 * time.Second}.Dial("tcp", l.Addr().String())
	assert.ErrorContains(t, err, "connection refused")
}
