//go:build linux

package crowd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bellhop/bellhop/test/load/bench/dialect"
	"github.com/bellhop/bellhop/test/load/bench/frame"
	"github.com/bellhop/bellhop/test/load/bench/mark"
	"github.com/bellhop/bellhop/test/load/bench/poll"
)

// state is how far a socket has come.
type state uint8

const (
	closed     state = iota
	connecting       // the kernel's handshake is under way
	upgrading        // the request is sent
	greeting         // upgraded, waiting for `live`
	ready
)

// socket is one client. It holds no buffer unless a frame came in part.
type socket struct {
	shard *shard
	user  uint32
	fd    int
	state state

	last   [Lanes]uint32 // the last sequence of each lane
	order  uint64        // a hash over all broadcasts, in the order they came
	rest   []byte        // of a frame or head that is not complete
	cursor []byte
}

// dial starts to connect. On the loopback the kernel's handshake is usually
// over at once, so the request is tried before epoll is asked.
func (s *socket) dial() (err error) {
	if s.fd, err = s.shard.open(s.user); err != nil {
		return err
	}
	s.state, s.rest = connecting, nil
	events := uint32(poll.In)
	switch err := s.request(); {
	case errors.Is(err, unix.EAGAIN):
		events = poll.Out
	case err != nil:
		return err
	}
	return s.shard.loop.Add(s.fd, s, events)
}

// request sends the upgrade request.
func (s *socket) request() error {
	sh := s.shard
	sh.out = sh.crowd.options.Dialect.Upgrade(sh.out[:0], s.user, s.cursor)
	n, err := unix.Write(s.fd, sh.out)
	switch {
	case err != nil:
		return err
	case n < len(sh.out):
		return fmt.Errorf("the kernel took %d of the request's %d bytes", n, len(sh.out))
	}
	s.state = upgrading
	return nil
}

// Ready implements poll.Handler.
func (s *socket) Ready() {
	if s.state == connecting {
		err := s.request()
		if err == nil {
			err = s.shard.loop.Wait(s.fd, poll.In)
		}
		if err != nil {
			s.gone(fmt.Sprintf("connect: %v", err))
		}
		return
	}
	n, err := unix.Read(s.fd, s.shard.in)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
	case err != nil:
		s.gone(err.Error())
	case n == 0:
		s.gone("end of stream")
	default:
		s.receive(s.shard.in[:n])
	}
}

// receive handles what is complete and keeps the rest.
func (s *socket) receive(data []byte) {
	now := time.Since(s.shard.crowd.options.Epoch)
	if len(s.rest) > 0 {
		s.rest = append(s.rest, data...)
		data = s.rest
	}
	if s.state == upgrading {
		var err error
		if data, err = s.upgraded(data); err != nil {
			s.gone(err.Error())
			return
		}
	}
	for s.state > upgrading && len(data) > 0 {
		f, rest, err := frame.Next(data)
		if errors.Is(err, frame.ErrShort) {
			break
		}
		if err != nil {
			s.shard.fault(&s.shard.faults.Unreadable, 1, "client %d got %v", s.user, err)
			if s.state == greeting {
				s.shard.crowd.settle(fmt.Errorf("client %d could not connect: it got %w", s.user, err))
			}
			s.close()
			return
		}
		data = rest
		s.handle(f, now)
	}
	s.keep(data)
}

// keep remembers what is not complete yet, and nothing else.
func (s *socket) keep(data []byte) {
	if len(data) == 0 || s.state == closed {
		s.rest = nil
		return
	}
	s.rest = append(s.rest[:0], data...)
}

// upgraded reads the head of the answer, if it is complete, and returns what
// follows it.
func (s *socket) upgraded(data []byte) (rest []byte, err error) {
	end := bytes.Index(data, []byte("\r\n\r\n"))
	if end < 0 {
		return data, nil
	}
	head := data[:end]
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) || !bytes.Contains(head, []byte(dialect.Accept)) {
		return nil, fmt.Errorf("answer to the upgrade: %.300q", data)
	}
	if s.shard.crowd.options.Dialect.Greets() {
		s.state = greeting
	} else {
		s.state = ready
		s.shard.oneReady()
	}
	return data[end+4:], nil
}

func (s *socket) handle(f frame.Frame, now time.Duration) {
	switch f.Op {
	case frame.Text:
		s.told(f.Payload, now)
	case frame.Ping:
		s.shard.out = frame.AppendMasked(s.shard.out[:0], frame.Pong, f.Payload, [4]byte{1, 2, 3, 4})
		_, _ = unix.Write(s.fd, s.shard.out) // if the socket has gone, the next read says so
	case frame.Close:
		why := "close frame without a code"
		if len(f.Payload) >= 2 {
			why = fmt.Sprintf("close %d %s", binary.BigEndian.Uint16(f.Payload), f.Payload[2:])
		}
		s.gone(why)
	}
}

// told handles an event.
func (s *socket) told(text []byte, now time.Duration) {
	s.keepCursor(text)
	if m, ok := mark.Find(text); ok {
		s.notified(m, now)
		return
	}
	faults := &s.shard.faults
	switch event := eventOf(text); event {
	case "live":
		if s.state == greeting {
			s.state = ready
			s.shard.oneReady()
		}
	case "welcome", "close": // the close frame that follows is what counts
	case "inbox": // what was replaced or recalled, and counts
	case "reset":
		s.shard.fault(&faults.Resets, 1, "client %d: %s", s.user, text)
	default:
		s.shard.fault(&faults.Unreadable, 1, "client %d: %s", s.user, text)
	}
}

// orderPrime mixes a broadcast into the hash of those before it, as FNV does.
const orderPrime = 1099511628211

// notified holds a notification against those before it.
func (s *socket) notified(m mark.Mark, now time.Duration) {
	faults := &s.shard.faults
	if m.Lane >= Lanes || m.User != s.user && m.User != mark.Everyone {
		s.shard.fault(&faults.Misdelivered, 1, "user %d was told %+v", s.user, m)
		return
	}
	last := &s.last[m.Lane]
	if m.Sequence <= *last {
		s.shard.fault(&faults.Repeated, 1, "user %d had %d when %+v came", s.user, *last, m)
		return
	}
	if missing := int64(m.Sequence - *last - 1); missing > 0 {
		s.shard.fault(&faults.Lost, missing, "user %d had %d when %+v came", s.user, *last, m)
	}
	*last = m.Sequence
	if m.User == mark.Everyone {
		s.order = s.order*orderPrime ^ (uint64(m.Lane)<<32 | uint64(m.Sequence))
	}
	s.shard.latency.Record(now - time.Duration(m.Sent))
	s.shard.crowd.progress.Add(1)
	s.shard.crowd.came(m.Lane)
}

// keepCursor remembers the cursor of an event that has one.
func (s *socket) keepCursor(text []byte) {
	if !s.shard.crowd.options.KeepCursors {
		return
	}
	if cursor := member(text, `"cursor":"`); cursor != nil {
		s.cursor = append(s.cursor[:0], cursor...)
	}
}

// eventOf returns the name of the event in a frame's text.
func eventOf(text []byte) string { return string(member(text, `"event":"`)) }

// member returns the string that follows prefix in text, nil if there is none.
// The service writes event and cursor before anything that a publisher wrote.
func member(text []byte, prefix string) []byte {
	_, after, found := bytes.Cut(text, []byte(prefix))
	if !found {
		return nil
	}
	value, _, found := bytes.Cut(after, []byte(`"`))
	if !found {
		return nil
	}
	return value
}

// gone notes that the server has ended the connection, or would not have it.
func (s *socket) gone(why string) {
	if s.state == closed {
		return
	}
	wasReady := s.state == ready
	s.close()
	if !wasReady {
		s.shard.crowd.settle(fmt.Errorf("client %d could not connect: %s", s.user, why))
		return
	}
	s.shard.fault(&s.shard.faults.Closed, 1, "client %d: %s", s.user, why)
}

func (s *socket) close() {
	if s.state == closed {
		return
	}
	_ = unix.Close(s.fd) // nothing can be done about it, and nothing was to be written
	s.fd, s.state, s.rest = -1, closed, nil
}
