package ws

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/wire"
)

// farewell is how long saying why may take, and how long the peer then has to
// answer.
const farewell = time.Second

// socket is a connection's WebSocket: the hub.Transport, and the loop that
// reads. Keep it small: there are a million.
type socket struct {
	// Set before the connection is registered, then read-only.
	handler *Handler
	ws      *websocket.Conn // for reading
	conn    *hub.Conn
	tag     cursor.Tag

	door door

	flood flood // touched by the reader alone

	// parked is whether the poller watches the socket and nobody reads. Who
	// makes it false starts the reader.
	parked atomic.Bool
	fd     int32 // by which the poller knows it

	joining  atomic.Pointer[context.CancelFunc] // while it is
	peerCode atomic.Int32                       // of the close that the peer sent; 0: none
}

// start makes the socket a connection of p, which takes the seat, and lets it
// join: here, if that is soon done, else in a goroutine that has no hold on the
// request's memory.
func (s *socket) start(p notify.Principal, seat *hub.Seat, from string) {
	h := s.handler
	s.tag = cursor.TagOf(p.User)
	s.conn = h.opts.Hub.NewConn(p, newID(), seat, s)
	s.door.conn, s.door.open = s.conn, true
	s.ws.SetReadLimit(maxCommand)
	s.ws.SetPingHandler(s.pong)

	h.tasks.Add(1)
	if err := h.opts.Hub.Register(s.conn); err != nil {
		go s.turnAway()
		return
	}
	if s.joinAtOnce(from) {
		s.listen()
		return
	}
	ctx, cancel := context.WithCancel(context.Background()) // the request's ends too early
	s.joining.Store(&cancel)
	if s.conn.Ended() { // and Close may have found nothing to cancel
		cancel()
	}
	go s.join(ctx, cancel, from)
}

func (s *socket) joinAtOnce(cursor string) bool {
	defer s.rescue()
	return s.handler.opts.Inbox.JoinAtOnce(s.conn, cursor)
}

// listen sees to it that what the peer sends is read: by the poller while there
// are but pongs, else by a reader of its own.
func (s *socket) listen() {
	early := s.door.in != nil // it came with the request: no poll would tell of it
	s.parked.Store(true)
	if s.door.raw == nil || early || !s.handler.polling().add(s) || s.conn.Ended() {
		s.unpark()
	}
}

// unpark starts the reader, if there is none.
func (s *socket) unpark() {
	if s.parked.CompareAndSwap(true, false) {
		if s.door.raw != nil {
			s.handler.polling().forget(s)
		}
		go s.read()
	}
}

// turnAway closes a connection that came while the drain began.
func (s *socket) turnAway() {
	defer s.handler.tasks.Done()
	defer s.release()
	defer s.rescue()
	window, _ := s.handler.opts.Hub.Draining()
	s.Close(notify.CloseRestart(window))
}

// join brings the connection from its cursor to the live road, and has the
// reader started once it was welcomed. If the connection ends meanwhile, Close
// cancels it.
func (s *socket) join(ctx context.Context, cancel context.CancelFunc, cursor string) {
	welcomed := false
	defer s.handler.tasks.Done()
	defer func() {
		if !welcomed { // nobody else will
			s.release()
		}
	}()
	defer s.rescue()
	defer s.joining.Store(nil)
	defer cancel()
	_ = s.door.send(nil, false) // the handshake's answer, if it is still kept; Join finds out what is wrong
	err := s.handler.opts.Inbox.Join(ctx, s.conn, cursor, func() {
		welcomed = true
		s.handler.tasks.Add(1)
		s.listen()
	})
	if err == nil {
		return
	}
	if !errors.Is(err, hub.ErrEnded) && ctx.Err() == nil {
		s.handler.opts.Logger.Error("connection could not join",
			slog.String("connection", s.conn.ID()), slog.Any("error", err))
	}
	s.conn.End(notify.CloseInternal)
}

// release reads and forgets what the peer still sends, lest that destroy what
// it was told last, and lets the socket go. The connection has ended, so Close
// bounds the time.
func (s *socket) release() {
	defer s.door.Close()
	if s.door.lost {
		return
	}
	buf := make([]byte, readBuffer)
	for read := 0; read < mostForgotten; {
		n, err := s.door.Conn.Read(buf)
		if err != nil {
			break
		}
		read += n
	}
}

// mostForgotten is how much a peer may send that does not listen any more.
const mostForgotten = 1 << 20

// Name is of hub.Transport.
func (*socket) Name() string { return "websocket" }

// Tries is of hub.Transport.
func (*socket) Tries() bool { return true }

// Write is of hub.Transport.
func (s *socket) Write(frames []*hub.Frame, wait bool) (done bool, err error) {
	b := s.handler.newBuffer()
	defer s.handler.freeBuffer(b)
	for _, f := range frames {
		var sealed []byte
		if f.Sequence != 0 {
			b.cursor = s.handler.opts.Cursors.Append(b.cursor[:0], s.tag, f.Sequence)
			sealed = b.cursor
		}
		if !b.addText(f, sealed) {
			s.conn.End(notify.CloseInternal)
			return true, fmt.Errorf("a %s frame has more than %d bytes", f.Event, wire.MaxFrame)
		}
	}
	return s.door.put(b, wait)
}

// Ping is of hub.Transport.
func (s *socket) Ping() (done bool, err error) {
	b := s.handler.newBuffer()
	defer s.handler.freeBuffer(b)
	b.addControl(opPing, "")
	return s.door.put(b, false)
}

// pong answers a ping of the peer, for gorilla.
func (s *socket) pong(payload string) error {
	if s.floods() {
		s.conn.End(notify.CloseFlood)
		return nil
	}
	b := s.handler.newBuffer()
	defer s.handler.freeBuffer(b)
	b.addControl(opPong, payload)
	if err := s.door.send(b.out, false); err != nil {
		s.conn.End(notify.CloseLost)
	}
	return nil
}

// Close is of hub.Transport. The peer has a second to take what it is told and
// another to answer; whoever reads then lets the socket go.
func (s *socket) Close(why notify.Close) {
	defer s.unpark() // who reads lets the socket go
	if cancel := s.joining.Load(); cancel != nil {
		(*cancel)()
	}
	if why.Code == notify.CloseLost.Code {
		s.door.sever()
		return
	}
	timer := time.AfterFunc(farewell, s.door.sever)
	defer timer.Stop()
	b := s.handler.newBuffer()
	defer s.handler.freeBuffer(b)
	answered := s.peerCode.Load()
	if answered != 0 {
		b.addCloseAnswer(int(answered))
	} else {
		b.addClose(why)
	}
	err := s.door.send(b.out, true)
	if err != nil || answered != 0 || s.door.SetReadDeadline(time.Now().Add(farewell)) != nil {
		s.door.sever()
	}
}

// rescue keeps a panic from ending the process: it ends the connection alone.
func (s *socket) rescue() {
	v := recover()
	if v == nil {
		return
	}
	s.handler.opts.Logger.Error("panic on a connection", slog.String("connection", s.conn.ID()),
		slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
	s.conn.End(notify.CloseInternal)
}
