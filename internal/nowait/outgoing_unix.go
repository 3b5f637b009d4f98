//go:build unix

package nowait

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// outgoing is a connection that a Dialer has made.
type outgoing struct {
	*net.TCPConn
	raw    syscall.RawConn
	reads  sync.Mutex // held by Read
	reader reader
	writes sync.Mutex // held by Write, so that no other data is written between two parts
	writer Writer
}

func newOutgoing(c *net.TCPConn) net.Conn {
	raw, err := c.SyscallConn()
	if err != nil {
		return c // it was closed, as its next use will show
	}
	return &outgoing{TCPConn: c, raw: raw}
}

// Read implements net.Conn.
func (c *outgoing) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c.reads.Lock()
	defer c.reads.Unlock()
	n, err := c.reader.read(c.raw, p)
	var number syscall.Errno
	if errors.As(err, &number) {
		err = &net.OpError{Op: "read", Net: "tcp", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: os.NewSyscallError("read", number)}
	}
	return n, err
}

// Write implements net.Conn. It waits for what the network does not accept immediately.
func (c *outgoing) Write(p []byte) (int, error) {
	c.writes.Lock()
	defer c.writes.Unlock()
	return c.writer.writeAll(c.TCPConn, c.raw, p)
}

// reader reads what has arrived, and waits if nothing has. It is not safe for concurrent use.
type reader struct {
	p   []byte
	n   int
	err error
	try func(fd uintptr) bool // made once: a closure for each read would be garbage
}

func (r *reader) read(conn syscall.RawConn, p []byte) (int, error) {
	if r.try == nil {
		r.try = r.once
	}
	r.p = p
	err := conn.Read(r.try)
	r.p = nil
	switch {
	case err != nil:
		return 0, err //nolint:wrapcheck // the deadline has passed, or the connection was closed
	case r.err != nil:
		return 0, r.err
	case r.n == 0:
		return 0, io.EOF
	}
	return r.n, nil
}

// once returns false, so that RawConn.Read waits, if nothing has arrived.
func (r *reader) once(fd uintptr) bool {
	for {
		r.n, r.err = read(fd, r.p)
		if !errors.Is(r.err, syscall.EINTR) {
			return !errors.Is(r.err, syscall.EAGAIN)
		}
	}
}
