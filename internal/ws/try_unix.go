//go:build unix

package ws

import (
	"errors"
	"syscall"
)

// tryWrite writes of b.out what fits the network's buffers now, and returns how
// much that was.
func (b *buffer) tryWrite(conn syscall.RawConn) (int, error) {
	if b.try == nil {
		b.try = func(fd uintptr) bool { // made once: a closure for each write would be garbage
			for {
				b.n, b.err = syscall.Write(int(fd), b.out)
				if !errors.Is(b.err, syscall.EINTR) {
					return true
				}
			}
		}
	}
	if err := conn.Write(b.try); err != nil {
		return 0, err
	}
	if errors.Is(b.err, syscall.EAGAIN) {
		return 0, nil
	}
	return max(0, b.n), b.err
}
