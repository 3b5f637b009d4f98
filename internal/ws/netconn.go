package ws

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/nowait"
)

// writeTimeout is how long one write may take.
const writeTimeout = 10 * time.Second

// netConn is the network connection of a socket: everything that is read or written
// passes it. It is the net.Conn that gorilla uses. What gorilla writes after the
// handshake (pongs, and closes before their reason is sent) is dropped: this package
// writes that itself.
type netConn struct {
	net.Conn // Close closes the connection immediately

	// Set before the reader starts, then read-only.
	conn     *hub.Conn // nil until the connection is authenticated
	upgraded bool      // the handshake is over

	// Touched by the reader alone.
	headers  headers
	bad      error     // the peer violated the protocol in a way that gorilla accepts
	lost     bool      // reading from the network failed
	timedOut bool      // a deadline for reading has passed
	in       *received // nil: nothing was read

	raw syscall.RawConn // to write without waiting; nil: that is not possible

	mu       sync.Mutex // held for one write: whole frames only
	rest     []byte     // the end of what tryWrite began: it comes before anything else
	finished bool       // nothing more is written: the last frame was, or the stream is broken

	queueMu sync.Mutex // never held while the network is written to
	queued  []byte     // whole frames of callers that came during another write
}

// received is the state of a peer that has sent something. Most never do.
type received struct {
	ahead []byte // bytes that were read already: they come first
	last  preview
	early int // bytes read before the connection was authenticated
}

func (c *netConn) received() *received {
	if c.in == nil {
		c.in = new(received)
	}
	return c.in
}

// Read is called by gorilla.
func (c *netConn) Read(p []byte) (int, error) {
	if c.bad != nil {
		return 0, c.bad
	}
	var n int
	var err error
	if c.in != nil && len(c.in.ahead) > 0 {
		n = copy(p, c.in.ahead)
		c.in.ahead = c.in.ahead[n:]
	} else {
		n, err = c.Conn.Read(p)
	}
	if n > 0 {
		if c.bad = c.check(p[:n]); c.bad != nil { // none of these bytes may have an effect
			return 0, c.bad
		}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.timedOut = true
	} else if err != nil {
		c.lost = true
	}
	return n, err //nolint:wrapcheck // gorilla compares it
}

// check notes the next bytes from the peer. It returns an error if they violate the
// protocol.
func (c *netConn) check(p []byte) error {
	in := c.received()
	in.last.set(p)
	if c.conn != nil {
		c.conn.NoteActivity()
	} else if in.early += len(p); in.early > maxUnauthenticated {
		return errUnauthenticatedBytes
	}
	return c.headers.check(p)
}

// Write is called by gorilla. The answer to the handshake is kept, and sent together
// with the first event.
func (c *netConn) Write(p []byte) (int, error) {
	if !c.upgraded {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.rest = append(c.rest, p...)
	}
	return len(p), nil
}

// SetDeadline sets the deadline for reading: writes have their own.
func (c *netConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetWriteDeadline does nothing: gorilla's deadline would change that of a concurrent
// write.
func (*netConn) SetWriteDeadline(time.Time) error { return nil }

// write writes b.out: what the network accepts immediately, and with wait the rest when the
// network takes that.
func (c *netConn) write(b *buffer, wait bool) (done bool, err error) {
	if done, err = c.tryWrite(b); done || err != nil || !wait {
		return done, err
	}
	return true, c.send(nil, false)
}

// send writes p, which must be whole frames, with one system call, and waits for the
// peer. With last, nothing is written after it.
func (c *netConn) send(p []byte, last bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.finished {
		return net.ErrClosed
	}
	c.finished = last
	if p = c.inOrderLocked(p); len(p) == 0 {
		return nil
	}
	if err := c.Conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if _, err := c.Conn.Write(p); err != nil {
		c.finished = true // a frame may be incomplete
		return fmt.Errorf("write: %w", err)
	}
	if err := c.Conn.SetWriteDeadline(time.Time{}); err != nil { // or tryWrite would find that it has passed
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// tryWrite writes of b.out, which must be whole frames, what the network accepts immediately,
// and keeps the rest for the next write. It reports whether there is none.
func (c *netConn) tryWrite(b *buffer) (done bool, err error) {
	if !c.mu.TryLock() { // another write runs, perhaps within a frame
		c.queueMu.Lock()
		defer c.queueMu.Unlock()
		c.queued = append(c.queued, b.out...)
		return false, nil
	}
	defer c.mu.Unlock()
	if c.finished {
		return true, net.ErrClosed
	}
	if b.out = c.inOrderLocked(b.out); c.raw == nil {
		c.rest = append(c.rest, b.out...)
		return len(c.rest) == 0, nil
	}
	n, err := b.writer.Write(c.raw, b.out)
	if err != nil {
		c.finished = true
		return true, fmt.Errorf("write: %w", err)
	}
	c.rest = append(c.rest, b.out[n:]...)
	return len(c.rest) == 0, nil
}

// inOrderLocked returns everything that must be written before p, and p, whose memory
// it may use. The caller must hold mu.
func (c *netConn) inOrderLocked(p []byte) []byte {
	c.queueMu.Lock()
	defer c.queueMu.Unlock()
	if len(c.rest) == 0 && len(c.queued) == 0 {
		return p
	}
	all := slices.Insert(slices.Insert(p, 0, c.queued...), 0, c.rest...)
	c.rest, c.queued = nil, nil
	return all
}

// abort closes the connection without sending anything, under TLS too, where Close
// would try to send an alert.
func (c *netConn) abort() {
	if t, ok := c.Conn.(interface{ NetConn() net.Conn }); ok {
		t.NetConn().Close()
	}
	c.Close()
}

// hijacker gives gorilla the netConn for the connection that it takes over.
type hijacker struct {
	http.ResponseWriter
	conn *netConn
}

func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("take over the connection: %w", err)
	}
	conn = nowait.TCP(conn)
	h.conn.Conn = conn
	if early := rw.Reader.Buffered(); early > 0 {
		// Frames came with the request. gorilla would drop the connection, without a
		// close, although it is counted as open.
		head, _ := rw.Reader.Peek(early) // cannot fail: they are buffered
		h.conn.received().ahead = bytes.Clone(head)
		rw.Reader = new(bufio.Reader)
	}
	if tcp, ok := conn.(*net.TCPConn); ok { // not under TLS, which permits no raw writes
		h.conn.raw, _ = tcp.SyscallConn() // without it, writes wait
	}
	return h.conn, rw, nil
}
