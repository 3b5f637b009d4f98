package nowait_test

import (
	"bytes"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/bellhop/bellhop/internal/nowait"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair returns the two ends of a connection, the first as Listen accepts it.
func pair(t *testing.T) (accepted, peer net.Conn) {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l := nowait.Listen(tcp)
	defer l.Close()
	peer, err = net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { peer.Close() })
	accepted, err = l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { accepted.Close() })
	return accepted, peer
}

// much is more than a connection's buffers take.
func much() []byte { return bytes.Repeat([]byte("0123456789abcdef"), 1<<20) }

func TestAConnectionKnowsItsPeer(t *testing.T) {
	accepted, peer := pair(t)
	assert.Equal(t, peer.LocalAddr().String(), accepted.RemoteAddr().String())
	assert.Equal(t, peer.RemoteAddr().String(), accepted.LocalAddr().String())
}

func TestAllIsWritten(t *testing.T) {
	accepted, peer := pair(t)
	want := append([]byte("a little, then "), much()...)
	written := make(chan error, 1)
	go func() {
		n, err := accepted.Write(want[:15])
		assert.Equal(t, 15, n)
		assert.NoError(t, err)
		n, err = accepted.Write(want[15:])
		assert.Equal(t, len(want)-15, n)
		written <- err
		accepted.Close()
	}()
	got, err := io.ReadAll(peer)
	require.NoError(t, err)
	require.NoError(t, <-written)
	assert.True(t, bytes.Equal(want, got))
}

func TestADeadlineEndsAWrite(t *testing.T) {
	accepted, _ := pair(t)
	require.NoError(t, accepted.SetWriteDeadline(time.Now().Add(10*time.Millisecond)))
	_, err := accepted.Write(much())
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
	_, err = accepted.Write([]byte("x"))
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded, "though it would not have to wait")
}

func TestWritingToAClosedConnectionFails(t *testing.T) {
	accepted, _ := pair(t)
	require.NoError(t, accepted.Close())
	_, err := accepted.Write([]byte("x"))
	assert.ErrorIs(t, err, net.ErrClosed)
}

func TestAWriterTakesWhatFits(t *testing.T) {
	accepted, peer := pair(t)
	tcp := nowait.TCP(accepted)
	raw, err := tcp.(syscall.Conn).SyscallConn()
	require.NoError(t, err)
	var w nowait.Writer
	all := much()
	n, err := w.Write(raw, all)
	require.NoError(t, err)
	assert.Positive(t, n)
	assert.Less(t, n, len(all))
	for taken := n; taken > 0; n += taken { // until it takes no more
		taken, err = w.Write(raw, all[n:])
		require.NoError(t, err)
	}
	got := make([]byte, n)
	_, err = io.ReadFull(peer, got)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(all[:n], got))

	require.NoError(t, tcp.Close())
	_, err = w.Write(raw, all)
	assert.ErrorIs(t, err, net.ErrClosed)
}

func TestWritingToAClosedPeerFails(t *testing.T) {
	accepted, peer := pair(t)
	raw, err := nowait.TCP(accepted).(syscall.Conn).SyscallConn()
	require.NoError(t, err)
	require.NoError(t, peer.(*net.TCPConn).SetLinger(0))
	require.NoError(t, peer.Close())
	_, err = accepted.Read(make([]byte, 1)) // the reset has come
	require.Error(t, err)
	var w nowait.Writer
	_, err = w.Write(raw, []byte("x"))
	assert.ErrorIs(t, err, syscall.EPIPE)
}

func TestTCPOfOthers(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	assert.Equal(t, a, nowait.TCP(a))
	accepted, _ := pair(t)
	assert.IsType(t, (*net.TCPConn)(nil), nowait.TCP(accepted))
}
