package sse

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/wire"
)

const (
	writeTimeout = 10 * time.Second // of one write
	farewell     = time.Second      // for saying why
	keepBuffer   = 16 << 10         // a larger one is not kept
)

// stream is a connection's event stream: the hub.Transport.
type stream struct {
	// Set before the connection is registered, then read-only.
	handler *Handler
	conn    *hub.Conn
	tag     cursor.Tag
	w       http.ResponseWriter
	control *http.ResponseController
	cancel  context.CancelFunc // ends whoever joins and waits
	ended   chan struct{}      // closed when why was said, if it could be

	writing sync.Mutex // one write at a time

	mu      sync.Mutex // never held while the network is written to
	rest    []byte     // whole events to be written
	spare   []byte     // what was written: its room is used again
	cursor  []byte     // the same for cursors
	timeout time.Duration
	shut    bool // nothing more is written
}

// Name is of hub.Transport.
func (*stream) Name() string { return "events" }

// Tries is of hub.Transport.
func (*stream) Tries() bool { return false }

// Write is of hub.Transport. net/http cannot write without waiting: without
// wait, all is a rest.
func (s *stream) Write(frames []*hub.Frame, wait bool) (done bool, err error) {
	if err := s.add(frames); err != nil {
		return true, err
	}
	if !wait {
		return false, nil
	}
	return true, s.flush()
}

// Ping is of hub.Transport. An event stream has no pong: that the network takes
// a comment is all there is to see of its peer.
func (s *stream) Ping() (done bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		return true, net.ErrClosed
	}
	s.rest = append(s.rest, ": ping\n\n"...)
	return false, nil
}

// Close is of hub.Transport. A write under way ends soon, whoever it waits for.
func (s *stream) Close(why notify.Close) {
	defer close(s.ended)
	defer s.cancel()
	lost := why.Code == notify.CloseLost.Code
	if !lost {
		s.sayLast(why)
		lost = s.control.SetWriteDeadline(time.Now().Add(farewell)) != nil || s.flush() != nil
	}
	end := time.Time{} // the stream has its end, and the network's connection goes on
	if lost {
		end = time.Now()
	}
	s.shutAt(end)
}

// sayLast puts the reason behind what is to be written, which now must be soon.
func (s *stream) sayLast(why notify.Close) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timeout = farewell
	s.rest = appendClose(s.rest, why)
}

// shutAt makes all that comes later fail, and what is under way at a deadline.
func (s *stream) shutAt(deadline time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shut, s.rest = true, nil
	_ = s.control.SetWriteDeadline(deadline) // a connection that is gone has none
}

// add encodes frames behind what is to be written.
func (s *stream) add(frames []*hub.Frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		return net.ErrClosed
	}
	for _, f := range frames {
		if len(f.Data) > wire.MaxFrame {
			s.conn.End(notify.CloseInternal)
			return fmt.Errorf("a %s event has more than %d bytes", f.Event, wire.MaxFrame)
		}
		s.cursor = s.cursor[:0]
		if f.Sequence != 0 {
			s.cursor = s.handler.opts.Cursors.Append(s.cursor, s.tag, f.Sequence)
		}
		s.rest = appendEvent(s.rest, f.Event, s.cursor, f.Data)
	}
	return nil
}

// flush writes all that is to be written, and waits for the peer.
func (s *stream) flush() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	for {
		p, timeout := s.take()
		if len(p) == 0 {
			return nil
		}
		if err := s.control.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		if _, err := s.w.Write(p); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		if err := s.control.Flush(); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		s.conn.Heard()
		s.giveBack(p)
	}
}

func (s *stream) take() (p []byte, timeout time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, s.rest, s.spare = s.rest, s.spare, nil
	if timeout = s.timeout; timeout == 0 {
		timeout = writeTimeout
	}
	return p, timeout
}

func (s *stream) giveBack(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cap(p) <= keepBuffer {
		s.spare = p[:0]
	}
}

// appendEvent appends one event. data is JSON in one line, and a cursor has
// nothing that would end a line either. Without a cursor, the one before stays
// the last.
func appendEvent(dst []byte, event string, cursor, data []byte) []byte {
	if len(cursor) > 0 {
		dst = append(dst, "id: "...)
		dst = append(dst, cursor...)
		dst = append(dst, '\n')
	}
	dst = append(dst, "event: "...)
	dst = append(dst, event...)
	dst = append(dst, "\ndata: "...)
	dst = append(dst, data...)
	return append(dst, "\n\n"...)
}

// appendClose appends the event that says why the stream ends, and has a
// browser that comes back by itself wait for a random part of the time that
// clients are to stay away.
func appendClose(dst []byte, why notify.Close) []byte {
	if why.After > 0 {
		dst = append(dst, "retry: "...)
		dst = strconv.AppendInt(dst, rand.Int64N(why.After.Milliseconds()), 10) //nolint:gosec // to spread load, not to keep a secret
		dst = append(dst, '\n')
	}
	return appendEvent(dst, "close", nil, wire.CloseData(why))
}
