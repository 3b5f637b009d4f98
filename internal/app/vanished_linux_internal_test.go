//go:build linux

package app

import (
	"log/slog"
	"net"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/config"
)

// The connections of the public listener end when their peers have vanished. test/chaos lets
// peers vanish, with -full.
func TestConnectionsOfVanishedPeersEnd(t *testing.T) {
	cfg := config.Default()
	cfg.Listen, cfg.AdminListen = "127.0.0.1:0", "127.0.0.1:0"
	s := &node{cfg: cfg, logger: slog.New(slog.DiscardHandler)}
	require.NoError(t, s.listen(t.Context()))
	defer func() { require.NoError(t, s.stopListening()) }()

	client, err := net.Dial("tcp", s.listeners.public.Addr().String())
	require.NoError(t, err)
	defer client.Close()
	accepted, err := s.listeners.public.Accept()
	require.NoError(t, err)
	defer accepted.Close()
	conn, ok := accepted.(syscall.Conn)
	require.True(t, ok)
	raw, err := conn.SyscallConn()
	require.NoError(t, err)
	var set int
	require.NoError(t, raw.Control(func(fd uintptr) { set, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout) }))
	require.NoError(t, err)
	require.Equal(t, int(vanishedAfter.Milliseconds()), set)
}
