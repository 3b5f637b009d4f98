package ws

import (
	"errors"
	"io"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"

	"github.com/bellhop/bellhop/internal/notify"
)

const (
	maxCommand  = 16 << 10 // bytes of a frame from a client
	floodWindow = 10 * time.Second
)

// read serves the peer's commands until the connection ends, and lets the
// socket go.
func (s *socket) read() {
	defer s.handler.tasks.Done()
	defer s.release()
	defer s.rescue()
	s.conn.End(s.serve())
}

// serve answers the peer's commands in order, each before it reads the next. It
// returns why the connection is to end; if it has ended already, that came
// first.
func (s *socket) serve() notify.Close {
	for {
		frame, why := s.receive()
		if why != nil {
			return *why
		}
		if s.conn.Ended() { // whoever may no longer connect may not command
			return notify.CloseNormal
		}
		if s.floods() {
			return notify.CloseFlood
		}
		if !s.answer(frame) {
			return *s.breach(notify.CloseNoObject, frame, nil)
		}
	}
}

// receive returns the next message of the peer, or why there is none.
func (s *socket) receive() ([]byte, *notify.Close) {
	kind, r, err := s.ws.NextReader()
	if err != nil {
		return nil, s.fault(err)
	}
	if kind != websocket.TextMessage {
		return nil, s.breach(notify.CloseBinary, nil, nil)
	}
	frame, err := io.ReadAll(r)
	if err != nil {
		return nil, s.fault(err)
	}
	if !utf8.Valid(frame) { // gorilla does not look
		return nil, s.breach(notify.CloseNotUTF8, fromInvalid(frame), nil)
	}
	return frame, nil
}

// fault returns why reading failed. Whatever was neither the network's doing
// nor a close is a breach of the protocol that gorilla has found.
func (s *socket) fault(err error) *notify.Close {
	var closed *websocket.CloseError
	switch {
	case s.door.bad != nil:
		return s.breach(notify.CloseProtocol, nil, s.door.bad)
	case errors.Is(err, websocket.ErrReadLimit):
		return s.breach(notify.CloseTooBig, nil, nil)
	case s.door.lost:
		return &notify.CloseLost
	case errors.As(err, &closed):
		s.peerCode.Store(int32(closed.Code)) //nolint:gosec // came as 16 bits
		return &notify.CloseNormal
	default:
		return s.breach(notify.CloseProtocol, nil, err)
	}
}

// flood counts commands in windows, each of which begins with its first one.
type flood struct {
	began time.Duration // since the start of the handler
	seen  int32
}

// floods counts a command, or a ping, which costs us as much, and reports
// whether they are too many.
func (s *socket) floods() bool {
	now := time.Since(s.handler.began)
	if now-s.flood.began >= floodWindow {
		s.flood = flood{began: now}
	}
	s.flood.seen++
	return int(s.flood.seen) > s.handler.opts.Commands
}
