package ws

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"

	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/protocol"
)

// socket is a connection's WebSocket: the hub.Transport, and the loop that reads. Keep
// it small: a million may exist.
type socket struct {
	// Set before the connection is registered, then read-only.
	handler *Handler
	session protocol.Session
	ws      *websocket.Conn // for reading
	user    cursor.Tag

	net netConn // with the hub.Conn: one pointer less per connection

	rate rate // touched by the reader alone

	// parked says that the poller watches the socket and no reader runs. The call that
	// makes it false starts the reader.
	parked atomic.Bool
	fd     int32 // of the socket, for the poller

	joining  atomic.Pointer[context.CancelFunc] // while Join runs
	peerCode atomic.Int32                       // of the close that the peer sent; 0: none
}

// start registers the connection, which takes the slot, and lets it join: immediately
// if possible, else in a goroutine that does not refer to the request's memory.
func (s *socket) start(at protocol.Start, slot *hub.Slot) {
	h := s.handler
	s.user = cursor.TagOf(at.Principal.User)
	s.net.conn = h.opts.Hub.NewConn(at.Principal, uuid.Must(uuid.NewV7()).String(), slot, s)

	h.tasks.Add(1)
	if err := h.opts.Hub.Register(s.net.conn); err != nil {
		go s.turnAway()
		return
	}
	if s.joinAtOnce(at.Cursor) {
		s.listen()
		return
	}
	ctx, cancel := context.WithCancel(context.Background()) // the request's ends too early
	s.joining.Store(&cancel)
	if s.net.conn.Ended() { // and Close may have found nothing to cancel
		cancel()
	}
	go s.join(ctx, cancel, at.Cursor)
}

func (s *socket) joinAtOnce(cursor string) bool {
	defer s.net.conn.Recover()
	return s.handler.opts.Service.JoinAtOnce(s.net.conn, cursor)
}

// listen has the peer's messages read: by the poller while only pongs come, else by a
// reader.
func (s *socket) listen() {
	early := s.net.in != nil // bytes were read already, which no poll would report
	s.parked.Store(true)
	if s.net.raw == nil || early || !s.handler.polling().add(s) || s.net.conn.Ended() {
		s.unpark()
	}
}

// unpark starts the reader if the socket is parked.
func (s *socket) unpark() {
	if s.parked.CompareAndSwap(true, false) {
		if s.net.raw != nil {
			s.handler.polling().remove(s)
		}
		go s.read()
	}
}

// turnAway closes a connection that was accepted while a drain began.
func (s *socket) turnAway() {
	defer s.handler.tasks.Done()
	defer s.drainInput()
	defer s.net.conn.Recover()
	s.Close(s.restart())
}

func (s *socket) restart() notify.Close {
	window, _ := s.handler.opts.Hub.Draining()
	return notify.CloseRestart(window)
}

// join brings the connection from its cursor to live delivery, and has the reader
// started once it was welcomed. If the connection ends meanwhile, Close cancels ctx.
func (s *socket) join(ctx context.Context, cancel context.CancelFunc, cursor string) {
	welcomed := false
	defer s.handler.tasks.Done()
	defer func() {
		if !welcomed { // there is no reader to do it
			s.drainInput()
		}
	}()
	defer s.net.conn.Recover()
	defer s.joining.Store(nil)
	defer cancel()
	_ = s.net.send(nil, false) // the handshake's answer, if it is not sent yet; Join finds out about an error
	s.handler.opts.Service.Join(ctx, s.net.conn, cursor, func() {
		welcomed = true
		s.handler.tasks.Add(1)
		s.listen()
	}) // which has ended the connection if it failed
}

// drainInput reads and discards what the peer still sends, and closes the socket. A
// socket closed with unread input would be reset, and the peer might lose the last
// messages. Close has set a deadline.
func (s *socket) drainInput() {
	defer s.net.Close()
	if s.net.lost {
		return
	}
	buf := make([]byte, readBuffer)
	for read := 0; read < maxDiscarded; {
		n, err := s.net.Conn.Read(buf)
		if err != nil {
			break
		}
		read += n
	}
}

// maxDiscarded is how many bytes are read from a peer whose connection has ended.
const maxDiscarded = 1 << 20

// Name implements hub.Transport.
func (*socket) Name() string { return "websocket" }

// Nonblocking implements hub.Transport.
func (*socket) Nonblocking() bool { return true }

// Size implements hub.Transport.
func (s *socket) Size(e *hub.Event) int { return s.session.Size(e) }

// Write implements hub.Transport.
func (s *socket) Write(events []*hub.Event, wait bool) (done bool, err error) {
	b := s.handler.newBuffer()
	defer s.handler.freeBuffer(b)
	for _, e := range events {
		start := b.beginText()
		if b.out = s.session.AppendEvent(b.out, e, s.user); !b.endText(start) {
			s.net.conn.End(notify.CloseInternal)
			return true, fmt.Errorf("event %T exceeds %d bytes", e.Content, maxSent)
		}
	}
	return s.net.write(b, wait)
}

// Ping implements hub.Transport.
func (s *socket) Ping() (done bool, err error) {
	b := s.handler.newBuffer()
	defer s.handler.freeBuffer(b)
	b.addControl(opPing, "")
	return s.net.write(b, false)
}

// Close implements hub.Transport. The peer has a second to receive the reason and
// another to answer; the reader, which then runs, closes the socket.
func (s *socket) Close(why notify.Close) {
	defer s.unpark()
	if cancel := s.joining.Load(); cancel != nil {
		(*cancel)()
	}
	if why.Code == notify.CloseLost.Code {
		s.net.abort()
		return
	}
	timer := time.AfterFunc(hub.CloseTimeout, s.net.abort)
	defer timer.Stop()
	b := s.handler.newBuffer()
	defer s.handler.freeBuffer(b)
	answered := s.peerCode.Load()
	if answered != 0 {
		b.addCloseAnswer(int(answered))
	} else {
		s.addLast(b, why)
	}
	err := s.net.send(b.out, true)
	if err != nil || answered != 0 || s.net.SetReadDeadline(time.Now().Add(hub.CloseTimeout)) != nil {
		s.net.abort()
	}
}

// addLast adds the protocol's last message, if it has one, and the close frame.
func (s *socket) addLast(b *buffer, why notify.Close) {
	start := b.beginText()
	var code int
	var reason string
	b.out, code, reason = s.session.AppendClose(b.out, why)
	if len(b.out) == start+headerSize || !b.endText(start) {
		b.out = b.out[:start]
	}
	b.addClose(code, reason)
}
