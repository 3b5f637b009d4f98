package ws

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/nowait"
)

// writeTimeout is how long one write may take.
const writeTimeout = 10 * time.Second

// door is the one way in and out of a connection, and its net.Conn as gorilla
// has it. What gorilla writes after the handshake (pongs, and closes before we
// could say why) is dropped: we answer ourselves.
type door struct {
	net.Conn // the network's: Close drops it

	// Set before the reader starts, then read-only.
	conn *hub.Conn
	open bool // the handshake is over

	// Touched by the reader alone.
	heads heads
	bad   error   // the peer broke the protocol in a way that gorilla lets pass
	lost  bool    // reading from the network failed
	in    *inward // nil: nothing was read

	raw syscall.RawConn // to write without waiting; nil: that cannot be done

	mu   sync.Mutex // one write at a time, whole frames only
	rest []byte     // the end of what trySend began: it comes before anything else
	shut bool       // nothing more is written: the last was said, or the stream is broken

	behindMu sync.Mutex // never held while the network is written to
	behind   []byte     // whole frames of those who came while somebody else wrote
}

// inward is what a door has of a peer that has sent something. Most never do.
type inward struct {
	ahead []byte // what others have read: it comes first
	last  glimpse
}

func (d *door) inward() *inward {
	if d.in == nil {
		d.in = new(inward)
	}
	return d.in
}

// Read is gorilla's way in.
func (d *door) Read(p []byte) (int, error) {
	if d.bad != nil {
		return 0, d.bad
	}
	var n int
	var err error
	if d.in != nil && len(d.in.ahead) > 0 {
		n = copy(p, d.in.ahead)
		d.in.ahead = d.in.ahead[n:]
	} else {
		n, err = d.Conn.Read(p)
	}
	if n > 0 {
		d.conn.Heard()
		d.inward().last.take(p[:n])
		if d.bad = d.heads.scan(p[:n]); d.bad != nil { // nothing of it is to act
			return 0, d.bad
		}
	}
	d.lost = d.lost || err != nil
	return n, err
}

// Write is gorilla's way out: for the answer to the handshake alone, which is
// kept, to go out with the first that is told.
func (d *door) Write(p []byte) (int, error) {
	if !d.open {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.rest = append(d.rest, p...)
	}
	return len(p), nil
}

// SetDeadline sets the deadline for reading: send has its own.
func (d *door) SetDeadline(t time.Time) error { return d.SetReadDeadline(t) }

// SetWriteDeadline does nothing: gorilla's would change that of a write under
// way.
func (*door) SetWriteDeadline(time.Time) error { return nil }

// put writes b.out: what the network takes at once, and with wait the rest when
// it takes that.
func (d *door) put(b *buffer, wait bool) (done bool, err error) {
	if done, err = d.trySend(b); done || err != nil || !wait {
		return done, err
	}
	return true, d.send(nil, false)
}

// send writes p, which is whole frames, with one system call, and waits for the
// peer. With last, nothing is written after it.
func (d *door) send(p []byte, last bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shut {
		return net.ErrClosed
	}
	d.shut = last
	if p = d.inTurn(p); len(p) == 0 {
		return nil
	}
	if err := d.Conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if _, err := d.Conn.Write(p); err != nil {
		d.shut = true // perhaps within a frame
		return fmt.Errorf("write: %w", err)
	}
	if err := d.Conn.SetWriteDeadline(time.Time{}); err != nil { // or trySend would find it passed
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// trySend writes of b.out, which is whole frames, what the network takes at
// once, and keeps the rest for the next send. It reports whether there is none.
func (d *door) trySend(b *buffer) (done bool, err error) {
	if !d.mu.TryLock() { // somebody writes, and may be within a frame
		d.behindMu.Lock()
		defer d.behindMu.Unlock()
		d.behind = append(d.behind, b.out...)
		return false, nil
	}
	defer d.mu.Unlock()
	if d.shut {
		return true, net.ErrClosed
	}
	if b.out = d.inTurn(b.out); d.raw == nil {
		d.rest = append(d.rest, b.out...)
		return len(d.rest) == 0, nil
	}
	n, err := b.writer.Write(d.raw, b.out)
	if err != nil {
		d.shut = true
		return true, fmt.Errorf("write: %w", err)
	}
	d.rest = append(d.rest, b.out[n:]...)
	return len(d.rest) == 0, nil
}

// inTurn returns what is to be written before p, and p, whose memory it may use.
// The caller holds mu.
func (d *door) inTurn(p []byte) []byte {
	d.behindMu.Lock()
	defer d.behindMu.Unlock()
	if len(d.rest) == 0 && len(d.behind) == 0 {
		return p
	}
	all := slices.Insert(slices.Insert(p, 0, d.behind...), 0, d.rest...)
	d.rest, d.behind = nil, nil
	return all
}

// sever drops the connection without a word, under TLS too, where Close would
// try to say goodbye.
func (d *door) sever() {
	if t, ok := d.Conn.(interface{ NetConn() net.Conn }); ok {
		t.NetConn().Close()
	}
	d.Close()
}

// hijacker puts the door into the connection that gorilla takes over.
type hijacker struct {
	http.ResponseWriter
	door *door
}

func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("take over the connection: %w", err)
	}
	conn = nowait.TCP(conn)
	h.door.Conn = conn
	if early := rw.Reader.Buffered(); early > 0 {
		// Frames that came with the request. gorilla would drop the connection
		// without a word, after we have counted it as one.
		head, _ := rw.Reader.Peek(early) // which are there
		h.door.inward().ahead = bytes.Clone(head)
		rw.Reader = new(bufio.Reader)
	}
	if tcp, ok := conn.(*net.TCPConn); ok { // not under TLS, where no raw write may be
		h.door.raw, _ = tcp.SyscallConn() // without it, writes wait
	}
	return h.door, rw, nil
}
