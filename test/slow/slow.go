// Package slow makes processes stand still, and connections receive slowly. Systems do that in
// different ways; the tests that need it build on all of them.
package slow

import (
	"errors"
	"net"
	"syscall"
)

// Receiver returns a dialer of connections that receive little before the peer has to wait: bytes, in
// segments of the peer of at most segment bytes. 0: the segments are as large as usual.
func Receiver(bytes, segment int) *net.Dialer {
	return &net.Dialer{Control: func(_, _ string, c syscall.RawConn) (err error) {
		controlled := c.Control(func(fd uintptr) { err = limit(fd, bytes, segment) })
		return errors.Join(controlled, err)
	}}
}
