package ws

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/bellhop/bellhop/internal/audit"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/protocol"
)

// maxUnauthenticated is how many bytes a peer may send before its connection is
// authenticated: a message of the maximum size, its header, and some control frames.
const maxUnauthenticated = maxMessage + 4<<10

var errUnauthenticatedBytes = fmt.Errorf("more than %d bytes before authentication", maxUnauthenticated)

// authenticate reads the first message of the peer and starts the connection, or closes
// it if the message does not authenticate a user. The connection takes the slot, which
// was kept, or the slot is released.
func (s *socket) authenticate(slot *hub.Slot, releaseSlot func()) {
	defer s.handler.tasks.Done()
	defer releaseSlot()
	at, why := s.admitUnauthenticated(slot)
	if why == nil {
		s.start(at, slot)
		return
	}
	defer s.drainInput()
	s.Close(*why)
}

// admitUnauthenticated reads the first message if there are not too many connections
// that wait for theirs.
func (s *socket) admitUnauthenticated(slot *hub.Slot) (at protocol.Start, why *notify.Close) {
	defer func() {
		if v := recover(); v != nil {
			s.handler.opts.Logger.Error("panic while authenticating a connection", slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
			why = &notify.CloseInternal
		}
	}()
	waiting, err := s.handler.unauthenticated.Admit(slot.Address())
	if err != nil {
		s.logRefusal(slot, err)
		return at, &protocol.CloseTooMany
	}
	defer waiting.Release()
	at, why, err = s.firstMessage()
	if err != nil {
		s.logRefusal(slot, err)
	}
	return at, why
}

// logRefusal logs the reason why a connection is refused after its handshake.
func (s *socket) logRefusal(slot *hub.Slot, err error) {
	l := audit.Line{Action: "first message"}
	if a := slot.Address(); a.IsValid() {
		l.IDs = []slog.Attr{slog.String("address", a.String())}
	}
	audit.Refused(context.Background(), s.handler.opts.Logger, s.handler.opts.Metrics, l, err)
}

var errNoFirstMessage = notify.Errorf(notify.ErrUnauthenticated, "the first message did not come in time")

// firstMessage returns who connects. The time and the bytes that the peer has for that
// are bounded, and Handler.Wait ends it. The error is one to be logged.
func (s *socket) firstMessage() (at protocol.Start, why *notify.Close, err error) {
	h := s.handler
	ctx, cancel := context.WithTimeout(h.stopping, h.opts.AuthenticationTimeout)
	defer cancel()
	deadline, _ := ctx.Deadline()
	if s.net.SetReadDeadline(deadline) != nil || s.net.send(nil, false) != nil { // the handshake's answer
		return at, &notify.CloseLost, nil
	}
	stop := context.AfterFunc(h.stopping, func() { _ = s.net.SetReadDeadline(time.Now()) })
	defer stop()
	message, why := s.receive()
	switch {
	case h.stopping.Err() != nil:
		restart := s.restart()
		return at, &restart, nil
	case s.net.timedOut:
		return at, &protocol.CloseAuthenticationTimeout, errNoFirstMessage
	case why != nil:
		return at, why, nil
	}
	at, err = s.session.Authenticate(ctx, message)
	switch {
	case ctx.Err() != nil && h.stopping.Err() != nil:
		restart := s.restart()
		return at, &restart, nil
	case ctx.Err() != nil:
		return at, &protocol.CloseAuthenticationTimeout, errNoFirstMessage
	case err == nil && at.Principal.User == "":
		err = notify.TokenInvalid(notify.CauseUser, "the token is not that of a user")
	}
	if err != nil {
		end := protocol.CloseFor(err)
		return at, &end, err
	}
	stop()
	if s.net.SetReadDeadline(time.Time{}) != nil {
		return at, &notify.CloseLost, nil
	}
	return at, nil, nil
}
