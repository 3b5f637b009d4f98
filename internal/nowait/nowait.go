// Package nowait writes to TCP connections without a word to Go's scheduler: it
// promises to write what the network takes at once and never to wait, and leaves
// waiting for the rest to others.
//
// A system call that lasts for more than some 20 µs loses its processor to
// another thread, which must be woken and is in the way when the call returns. A
// write to a socket does not wait and should never last as long; but it wakes
// whoever reads, and on a busy machine that is who runs next. Moving processors
// to and fro then costs more than the write.
//
// Accepted connections are also served on a stack that need not grow, and count the
// Content-Length lines that they receive.
package nowait

import (
	"errors"
	"net"
	"sync"
	"syscall"
)

// Writer writes to one connection at a time. The zero Writer is ready.
type Writer struct {
	p   []byte
	n   int
	err error
	try func(fd uintptr) bool // made once: a closure for each write would be garbage
}

// Write writes of p what conn, which is one of the network's, takes at once, and
// returns how much that was.
func (w *Writer) Write(conn syscall.RawConn, p []byte) (int, error) {
	if w.try == nil {
		w.try = w.once
	}
	w.p = p
	err := conn.Write(w.try)
	w.p = nil
	switch {
	case err != nil:
		return 0, err
	case errors.Is(w.err, syscall.EAGAIN):
		return 0, nil
	}
	return max(0, w.n), w.err
}

// once always returns true: what was not written is not waited for.
func (w *Writer) once(fd uintptr) bool {
	for {
		w.n, w.err = write(fd, w.p)
		if !errors.Is(w.err, syscall.EINTR) {
			return true
		}
	}
}

// Listen returns l with connections whose writes, if they are TCP's, go by a
// Writer first.
func Listen(l net.Listener) net.Listener { return &listener{Listener: l} }

type listener struct {
	net.Listener
	writers sync.Pool
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err //nolint:wrapcheck // net/http tells by it what it is to do
	}
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c, nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return c, nil //nolint:nilerr // it was closed, as whoever uses it will see
	}
	return &conn{TCPConn: tcp, raw: raw, writers: &l.writers}, nil
}

type conn struct {
	*net.TCPConn
	raw     syscall.RawConn
	writers *sync.Pool
	lengths LengthLines
	grown   bool // GrowStack was called; touched by the goroutine that serves the connection
}

// Write implements net.Conn. It waits where the network does not take all at
// once, or something is wrong.
func (c *conn) Write(p []byte) (int, error) {
	w, ok := c.writers.Get().(*Writer)
	if !ok {
		w = new(Writer)
	}
	n, _ := w.Write(c.raw, p) // what was wrong, the next write tells as it should be told
	c.writers.Put(w)
	if n == len(p) {
		return n, nil
	}
	rest, err := c.TCPConn.Write(p[n:])
	return n + rest, err
}

// TCP returns the connection that c stands for, if it is one of Listen's, and c
// otherwise.
func TCP(c net.Conn) net.Conn {
	if c, ok := c.(*conn); ok {
		return c.TCPConn
	}
	return c
}
