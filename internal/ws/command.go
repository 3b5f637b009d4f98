package ws

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/problem"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/wire"
)

// commandTimeout is how long a command may take.
const commandTimeout = 10 * time.Second

// commands is what a client may ask for.
var commands = map[string]func(context.Context, *socket, wire.Command) ([]byte, error){
	"ping":    ping,
	"publish": publish,
	"refresh": refresh,
	"read":    mark(notify.VerbRead),
	"unread":  mark(notify.VerbUnread),
	"archive": mark(notify.VerbArchive),
}

// answer does what a frame asks for and tells the client what came of it. It
// reports false if the frame is no JSON object.
func (s *socket) answer(frame []byte) bool {
	cmd, err := wire.ReadCommand(frame)
	if errors.Is(err, wire.ErrNoObject) {
		return false
	}
	if err == nil {
		err = wire.CheckDepth(frame, s.handler.opts.Depth)
	}
	do, known := commands[cmd.Event]
	name := cmd.Event
	if !known {
		name = "unknown"
	}
	var data []byte
	switch {
	case err != nil:
	case !known:
		err = notify.Invalid(notify.Fault{Pointer: "/event", Detail: "is not a known command"})
	default:
		data, err = s.do(do, cmd)
	}
	if err != nil {
		s.refuse(name, cmd.Ref, err)
		return true
	}
	s.handler.opts.Metrics.Answered(name, http.StatusOK)
	s.conn.Offer(&hub.Frame{Event: "reply", Ref: cmd.Ref, Data: data})
	return true
}

// do carries out a command within the rate of the principal. The one command that
// costs nothing, ping, is counted by the connection alone.
func (s *socket) do(command func(context.Context, *socket, wire.Command) ([]byte, error), cmd wire.Command) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	if cmd.Event != "ping" {
		if err := s.handler.opts.Requests.Allow(s.conn.Principal()); err != nil {
			limit.Delay(ctx)
			return nil, err
		}
	}
	return command(ctx, s, cmd)
}

// refuse tells the client why its command failed.
func (s *socket) refuse(name, ref string, err error) {
	p := problem.Of(err)
	if p.Status == http.StatusInternalServerError {
		s.handler.opts.Logger.Error("command failed", slog.String("command", name),
			slog.String("connection", s.conn.ID()), slog.Any("error", err))
	}
	s.handler.opts.Metrics.Answered(name, p.Status)
	s.conn.Offer(&hub.Frame{Event: "error", Ref: ref, Data: p.JSON()})
}

func ping(context.Context, *socket, wire.Command) ([]byte, error) { return []byte("{}"), nil }

// publish takes the same road as POST /notify, and so has its idempotency keys.
func publish(ctx context.Context, s *socket, cmd wire.Command) ([]byte, error) {
	by := s.conn.Principal()
	if err := by.MayPublish(); err != nil {
		return nil, err
	}
	call := service.Call{Path: "/notify"}
	if cmd.Key != "" {
		key, err := notify.ParseKey(cmd.Key)
		if err != nil {
			return nil, err
		}
		call.Key = key
	}
	if cmd.Data == nil {
		return nil, errNoData
	}
	draft, err := wire.Draft(cmd.Data)
	if err != nil {
		return nil, within("/data", err)
	}
	receipt, err := s.handler.opts.Inbox.Publish(ctx, by, call, draft)
	if err != nil {
		return nil, within("/data", err)
	}
	return wire.AppendReceipt(nil, 0, receipt), nil
}

// mark takes the same road as POST /inbox/read and its like.
func mark(verb notify.Verb) func(context.Context, *socket, wire.Command) ([]byte, error) {
	return func(ctx context.Context, s *socket, cmd wire.Command) ([]byte, error) {
		if cmd.Data == nil {
			return nil, errNoData
		}
		which, err := wire.Marks(cmd.Data)
		if err != nil {
			return nil, within("/data", err)
		}
		unread, err := s.handler.opts.Inbox.Mark(ctx, s.conn.Principal(), verb, which)
		if err != nil {
			return nil, within("/data", err)
		}
		return wire.AppendUnread(nil, unread), nil
	}
}

var errNoData = notify.Invalid(notify.Fault{Pointer: "/data", Detail: "is required"})

// within returns err with its faults as those of a member of the frame.
func within(member string, err error) error {
	var e *notify.Error
	if !errors.As(err, &e) || len(e.Faults) == 0 {
		return err
	}
	moved := *e
	moved.Faults = make([]notify.Fault, len(e.Faults))
	for i, f := range e.Faults {
		moved.Faults[i] = notify.Fault{Pointer: member + f.Pointer, Detail: f.Detail}
	}
	return &moved
}
