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

// state is the state of a socket's connection.
type state uint8

const (
	closed     state = iota
	connecting       // the kernel's handshake is under way
	upgrading        // the request has been sent
	greeting         // upgraded; `live` has not arrived yet
	ready
)

// socket is one client. It has a buffer only while a frame is incomplete.
type socket struct {
	shard *shard
	user  uint32
	fd    int
	state state

	last   [Lanes]uint32 // the last sequence of each lane
	order  uint64        // a hash of all broadcasts in the order of arrival
	rest   []byte        // an incomplete frame or header
	cursor []byte
}

// dial starts to connect. On the loopback interface connect usually completes
// immediately, so the request is tried before waiting for epoll.
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
			s.disconnected(fmt.Sprintf("connect: %v", err))
		}
		return
	}
	n, err := unix.Read(s.fd, s.shard.in)
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
	case err != nil:
		s.disconnected(err.Error())
	case n == 0:
		s.disconnected("end of stream")
	default:
		s.receive(s.shard.in[:n])
	}
}

// receive handles all complete frames and keeps the rest.
func (s *socket) receive(data []byte) {
	now := time.Since(s.shard.crowd.options.Epoch)
	if len(s.rest) > 0 {
		s.rest = append(s.rest, data...)
		data = s.rest
	}
	if s.state == upgrading {
		var err error
		if data, err = s.upgraded(data); err != nil {
			s.disconnected(err.Error())
			return
		}
	}
	for s.state > upgrading && len(data) > 0 {
		f, rest, err := frame.Next(data)
		if errors.Is(err, frame.ErrShort) {
			break
		}
		if err != nil {
			s.shard.fault(&s.shard.faults.Unreadable, 1, "client %d: %v", s.user, err)
			if s.state == greeting {
				s.shard.crowd.settle(fmt.Errorf("client %d could not connect: %w", s.user, err))
			}
			s.close()
			return
		}
		data = rest
		s.handle(f, now)
	}
	s.keep(data)
}

// keep remembers data as the incomplete rest.
func (s *socket) keep(data []byte) {
	if len(data) == 0 || s.state == closed {
		s.rest = nil
		return
	}
	s.rest = append(s.rest[:0], data...)
}

// upgraded reads the header of the response, if it is complete, and returns the bytes
// after it.
func (s *socket) upgraded(data []byte) (rest []byte, err error) {
	end := bytes.Index(data, []byte("\r\n\r\n"))
	if end < 0 {
		return data, nil
	}
	head := data[:end]
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) || !bytes.Contains(head, []byte(dialect.Accept)) {
		return nil, fmt.Errorf("unexpected response to the upgrade: %.300q", data)
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
		s.event(f.Payload, now)
	case frame.Ping:
		s.shard.out = frame.AppendMasked(s.shard.out[:0], frame.Pong, f.Payload, [4]byte{1, 2, 3, 4})
		_, _ = unix.Write(s.fd, s.shard.out) // if the connection has ended, the next read fails
	case frame.Close:
		reason := "close frame without a code"
		if len(f.Payload) >= 2 {
			reason = fmt.Sprintf("close %d %s", binary.BigEndian.Uint16(f.Payload), f.Payload[2:])
		}
		s.disconnected(reason)
	}
}

// event handles an event of the service.
func (s *socket) event(text []byte, now time.Duration) {
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
	case "welcome", "close": // the close frame that follows a close event is counted
	case "inbox": // recalls and counts are not checked
	case "reset":
		s.shard.fault(&faults.Resets, 1, "client %d: %s", s.user, text)
	default:
		s.shard.fault(&faults.Unreadable, 1, "client %d: %s", s.user, text)
	}
}

// orderPrime mixes a broadcast into the hash of those before it, as FNV does.
const orderPrime = 1099511628211

// notified checks a notification against the previous ones.
func (s *socket) notified(m mark.Mark, now time.Duration) {
	faults := &s.shard.faults
	if m.Lane >= Lanes || m.User != s.user && m.User != mark.Everyone {
		s.shard.fault(&faults.Misdelivered, 1, "user %d received %+v", s.user, m)
		return
	}
	last := &s.last[m.Lane]
	if m.Sequence <= *last {
		s.shard.fault(&faults.Repeated, 1, "user %d received %+v after sequence %d", s.user, m, *last)
		return
	}
	if missing := int64(m.Sequence - *last - 1); missing > 0 {
		s.shard.fault(&faults.Lost, missing, "user %d received %+v after sequence %d", s.user, m, *last)
	}
	*last = m.Sequence
	if m.User == mark.Everyone {
		s.order = s.order*orderPrime ^ (uint64(m.Lane)<<32 | uint64(m.Sequence))
	}
	s.shard.latency.Record(now - time.Duration(m.Sent))
	s.shard.crowd.progress.Add(1)
	s.shard.crowd.arrived(m.Lane)
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

// member returns the string that follows prefix in text, or nil. The service writes event
// and cursor before any content of a publisher.
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

// disconnected records that the server has closed or refused the connection.
func (s *socket) disconnected(reason string) {
	if s.state == closed {
		return
	}
	wasReady := s.state == ready
	s.close()
	if !wasReady {
		s.shard.crowd.settle(fmt.Errorf("client %d could not connect: %s", s.user, reason))
		return
	}
	s.shard.fault(&s.shard.faults.Closed, 1, "client %d: %s", s.user, reason)
}

func (s *socket) close() {
	if s.state == closed {
		return
	}
	_ = unix.Close(s.fd) // no data is lost by an error
	s.fd, s.state, s.rest = -1, closed, nil
}
