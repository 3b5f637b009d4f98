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
	maxMessage = 16 << 10 // bytes of a message from a peer
	rateWindow = 10 * time.Second
)

var (
	errFlood  = errors.New("too many pings and messages")
	errUnsent = errors.New("pong could not be sent")
)

// read handles the peer's messages until the connection ends, and closes the socket.
func (s *socket) read() {
	defer s.handler.tasks.Done()
	defer s.drainInput()
	defer s.net.conn.Recover()
	s.net.conn.End(s.serve())
}

// serve has the peer's messages carried out in order, each before it reads the next. It
// returns why the connection must end; if it has ended already, that came first.
func (s *socket) serve() notify.Close {
	for {
		message, why := s.receive()
		if why != nil {
			return *why
		}
		if s.net.conn.Ended() { // a token that is not valid any more must not act
			return notify.CloseNormal
		}
		if s.exceedsRate() {
			return notify.CloseFlood
		}
		if why := s.session.Receive(s.net.conn, message); why != nil {
			return *s.violation(*why, message, nil)
		}
	}
}

// receive returns the next message of the peer, or why there is none.
func (s *socket) receive() ([]byte, *notify.Close) {
	kind, r, err := s.ws.NextReader()
	if err != nil {
		return nil, s.closeFor(err)
	}
	if kind != websocket.TextMessage {
		return nil, s.violation(notify.CloseBinary, nil, nil)
	}
	message, err := io.ReadAll(r)
	if err != nil {
		return nil, s.closeFor(err)
	}
	if !utf8.Valid(message) { // gorilla does not check
		return nil, s.violation(notify.CloseNotUTF8, fromInvalid(message), nil)
	}
	return message, nil
}

// closeFor returns why a connection ends on which reading failed. An error that comes
// neither from the network nor from a close frame is a violation that gorilla found.
func (s *socket) closeFor(err error) *notify.Close {
	var closed *websocket.CloseError
	switch {
	case errors.Is(s.net.bad, errUnauthenticatedBytes), errors.Is(err, websocket.ErrReadLimit):
		return s.violation(notify.CloseTooBig, nil, nil)
	case s.net.bad != nil:
		return s.violation(notify.CloseProtocol, nil, s.net.bad)
	case s.net.lost, s.net.timedOut, errors.Is(err, errUnsent):
		return &notify.CloseLost
	case errors.Is(err, errFlood):
		return &notify.CloseFlood
	case errors.As(err, &closed):
		s.peerCode.Store(int32(closed.Code)) //nolint:gosec // came as 16 bits
		return &notify.CloseNormal
	default:
		return s.violation(notify.CloseProtocol, nil, err)
	}
}

// pong answers a ping of the peer, for gorilla.
func (s *socket) pong(payload string) error {
	if s.exceedsRate() {
		return errFlood
	}
	b := s.handler.newBuffer()
	defer s.handler.freeBuffer(b)
	b.addControl(opPong, payload)
	if s.net.send(b.out, false) != nil {
		return errUnsent
	}
	return nil
}

// rate counts messages in windows, each of which begins with its first one.
type rate struct {
	began time.Duration // since the handler was made
	count int32
}

// exceedsRate counts a message, or a ping, which costs the service as much, and reports
// whether there are too many.
func (s *socket) exceedsRate() bool {
	now := time.Since(s.handler.started)
	if now-s.rate.began >= rateWindow {
		s.rate = rate{began: now}
	}
	s.rate.count++
	return int64(s.rate.count) > s.handler.commands.Load()
}
