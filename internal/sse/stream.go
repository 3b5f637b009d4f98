package sse

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/protocol"
)

const (
	writeTimeout = 10 * time.Second // of one write
	keepBuffer   = 16 << 10         // larger buffers are not reused
	maxSent      = 1<<16 - 1        // bytes of one event, as on a WebSocket
)

// stream is a connection's event stream: the hub.Transport.
type stream struct {
	// Set before the connection is registered, then read-only.
	session protocol.Session
	conn    *hub.Conn
	user    cursor.Tag
	w       http.ResponseWriter
	control *http.ResponseController
	cancel  context.CancelFunc // ends Join, and ServeHTTP
	ended   chan struct{}      // closed when the reason was sent, if that was possible

	writing sync.Mutex // held for one write

	mu      sync.Mutex // never held while the network is written to
	rest    []byte     // whole events to be written
	spare   []byte     // a buffer to be used again
	timeout time.Duration
	shut    bool // nothing more is written
}

// Name implements hub.Transport.
func (*stream) Name() string { return "events" }

// Nonblocking implements hub.Transport.
func (*stream) Nonblocking() bool { return false }

// Size implements hub.Transport.
func (s *stream) Size(e *hub.Event) int { return s.session.Size(e) }

// Write implements hub.Transport. net/http cannot write without waiting: without wait,
// everything is a rest.
func (s *stream) Write(events []*hub.Event, wait bool) (done bool, err error) {
	if err := s.add(events); err != nil {
		return true, err
	}
	if !wait {
		return false, nil
	}
	return true, s.flush()
}

// Ping implements hub.Transport. An event stream has no pong: that the network takes a
// comment is the only sign of life of its peer.
func (s *stream) Ping() (done bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		return true, net.ErrClosed
	}
	s.rest = append(s.rest, ": ping\n\n"...)
	return false, nil
}

// Close implements hub.Transport. A concurrent write ends soon.
func (s *stream) Close(why notify.Close) {
	defer close(s.ended)
	defer s.cancel()
	lost := why.Code == notify.CloseLost.Code
	if !lost {
		s.addLast(why)
		lost = s.control.SetWriteDeadline(time.Now().Add(hub.CloseTimeout)) != nil || s.flush() != nil
	}
	end := time.Time{} // the stream has its end, and the network's connection continues
	if lost {
		end = time.Now()
	}
	s.shutAt(end)
}

// addLast adds the protocol's last message. Everything must be written soon now.
func (s *stream) addLast(why notify.Close) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timeout = hub.CloseTimeout
	s.rest, _, _ = s.session.AppendClose(s.rest, why)
}

// shutAt makes later writes fail, and a concurrent write at a deadline.
func (s *stream) shutAt(deadline time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shut, s.rest = true, nil
	_ = s.control.SetWriteDeadline(deadline) // fails if the connection is closed
}

// add appends events to the bytes to be written.
func (s *stream) add(events []*hub.Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shut {
		return net.ErrClosed
	}
	for _, e := range events {
		start := len(s.rest)
		if s.rest = s.session.AppendEvent(s.rest, e, s.user); len(s.rest)-start > maxSent {
			s.rest = s.rest[:start]
			s.conn.End(notify.CloseInternal)
			return fmt.Errorf("event %T exceeds %d bytes", e.Content, maxSent)
		}
	}
	return nil
}

// flush writes everything that is to be written, and waits for the peer.
func (s *stream) flush() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	for {
		p, timeout := s.takeRest()
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
		s.conn.NoteActivity()
		s.reuse(p)
	}
}

// takeRest returns the bytes to be written, which are the caller's until reuse, and how
// long writing them may take.
func (s *stream) takeRest() (p []byte, timeout time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, s.rest, s.spare = s.rest, s.spare, nil
	if timeout = s.timeout; timeout == 0 {
		timeout = writeTimeout
	}
	return p, timeout
}

func (s *stream) reuse(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cap(p) <= keepBuffer {
		s.spare = p[:0]
	}
}
