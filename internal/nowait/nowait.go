// Package nowait writes to TCP connections without entering Go's scheduler. It writes
// what the network accepts immediately and never waits; its callers wait for the rest.
// The connections of a Dialer also read in this way.
//
// A goroutine in a system call that lasts for more than some 20 µs loses its processor
// to another thread, which must be woken and competes with the goroutine when the call
// returns. A non-blocking write to a socket should be shorter; but it wakes the reader,
// which the kernel of a busy machine may run first. Moving processors between threads
// then costs more than the write.
//
// The connections that Listen accepts also count the Content-Length lines that they
// receive (LengthLines), and can grow the stack of their goroutine in one step
// (GrowStack).
package nowait

import (
	"errors"
	"net"
	"sync"
	"syscall"
)

// Writer writes without waiting. The zero Writer is ready to use; it is not safe for
// concurrent use.
type Writer struct {
	p   []byte
	n   int
	err error
	try func(fd uintptr) bool // made once: a closure for each write would be garbage
}

// Write writes what conn accepts of p immediately, and returns the number of bytes. conn must
// be that of a non-blocking socket, as package net makes them.
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

// once always returns true, so that RawConn.Write does not wait.
func (w *Writer) once(fd uintptr) bool {
	for {
		w.n, w.err = write(fd, w.p)
		if !errors.Is(w.err, syscall.EINTR) {
			return true
		}
	}
}

// writeAll writes p to c, whose RawConn is raw. It waits if the network does not accept everything
// immediately, or if there is an error, which is then that of c.
func (w *Writer) writeAll(c *net.TCPConn, raw syscall.RawConn, p []byte) (int, error) {
	n, _ := w.Write(raw, p) // the next write returns the error as net.Conn specifies
	if n == len(p) {
		return n, nil
	}
	rest, err := c.Write(p[n:])
	return n + rest, err //nolint:wrapcheck // as of net.Conn
}

// Listen returns a listener on l whose TCP connections write with a Writer first.
func Listen(l net.Listener) net.Listener { return &listener{Listener: l} }

type listener struct {
	net.Listener
	writers sync.Pool
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err //nolint:wrapcheck // net/http examines it
	}
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c, nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return c, nil //nolint:nilerr // it was closed, as its next use will show
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

// Write implements net.Conn. It waits for what the network does not accept immediately.
func (c *conn) Write(p []byte) (int, error) {
	w, ok := c.writers.Get().(*Writer)
	if !ok {
		w = new(Writer)
	}
	defer c.writers.Put(w)
	return w.writeAll(c.TCPConn, c.raw, p)
}

// TCP returns the TCP connection of c, if Listen accepted it, and c otherwise.
func TCP(c net.Conn) net.Conn {
	if c, ok := c.(*conn); ok {
		return c.TCPConn
	}
	return c
}
