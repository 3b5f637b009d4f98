package app

import (
	"errors"
	"syscall"
	"time"
)

// vanishedAfter is the time after which a connection ends whose peer has not acknowledged what
// was sent. It is that after which a silent WebSocket ends.
const vanishedAfter = time.Minute

// tcpUserTimeout is TCP_USER_TIMEOUT, which package syscall lacks.
const tcpUserTimeout = 18

// endVanished sets vanishedAfter on a listening socket, whose connections inherit it. Without it,
// an event stream whose client has vanished without a FIN would live for a quarter of an hour: the
// client never sends anything, and the kernel goes on sending the comments again.
func endVanished(_, _ string, raw syscall.RawConn) (err error) {
	controlled := raw.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(vanishedAfter.Milliseconds()))
	})
	return errors.Join(err, controlled)
}
