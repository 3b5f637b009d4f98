package bellhop

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/bellhop/bellhop/internal/audit"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/problem"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/strict"
	"github.com/bellhop/bellhop/internal/wire"
)

// commandTimeout is how long a command may take.
const commandTimeout = 10 * time.Second

// command carries out a command of c.
type command func(ctx context.Context, p *Protocol, c *hub.Conn, cmd Command) (hub.Result, error)

// commands has the commands by name.
var commands = map[string]command{
	"ping":    ping,
	"publish": publish,
	"refresh": refresh,
	"seen":    mark(notify.VerbSeen),
	"read":    mark(notify.VerbRead),
	"unread":  mark(notify.VerbUnread),
	"archive": mark(notify.VerbArchive),
}

// Receive implements protocol.Session: it carries out a command and offers c the
// answer. A message that is no JSON object ends the connection.
func (p *Protocol) Receive(c *hub.Conn, message []byte) *notify.Close {
	cmd, err := readCommand(message)
	if errors.Is(err, ErrNoObject) {
		return &notify.CloseNoObject
	}
	if err == nil {
		err = strict.Depth(message, p.opts.Depth())
	}
	do, known := commands[cmd.Event]
	name := cmd.Event
	if !known {
		name = "unknown"
	}
	var result hub.Result
	switch {
	case err != nil:
	case !known:
		err = notify.Invalid(notify.Fault{Pointer: "/event", Detail: "unknown command; allowed: " + strings.Join(slices.Sorted(maps.Keys(commands)), ", ")})
	default:
		result, err = p.do(do, c, cmd)
	}
	if err != nil {
		p.refuse(context.Background(), c, name, cmd.Ref, err)
		return nil
	}
	p.opts.Metrics.Answered(name, http.StatusOK)
	c.Offer(&hub.Event{Content: hub.Reply{Ref: cmd.Ref, Result: result}, Unshared: true})
	return nil
}

// do carries out a command within the rate of the principal. The command ping costs
// nothing: only the rate of the connection counts it.
func (p *Protocol) do(do command, c *hub.Conn, cmd Command) (hub.Result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	if cmd.Event != "ping" {
		if err := p.opts.Requests.Allow(c.Principal()); err != nil {
			limit.Delay(ctx)
			return nil, err
		}
	}
	return do(ctx, p, c, cmd)
}

// refuse logs that a command failed, and offers c the answer.
func (p *Protocol) refuse(ctx context.Context, c *hub.Conn, name, ref string, err error) {
	l := c.Audit()
	l.Action = "command " + name
	if ref != "" {
		l.IDs = append(l.IDs, slog.String("ref", ref))
	}
	audit.Refused(ctx, p.opts.Logger, p.opts.Metrics, l, err)
	p.opts.Metrics.Answered(name, problem.Of(err).Status)
	c.Offer(&hub.Event{Content: hub.Failure{Ref: ref, Err: err}, Unshared: true})
}

func ping(context.Context, *Protocol, *hub.Conn, Command) (hub.Result, error) {
	return hub.Pong{}, nil
}

// publish does what POST /notify does, and shares its idempotency keys.
func publish(ctx context.Context, p *Protocol, c *hub.Conn, cmd Command) (hub.Result, error) {
	by := c.Principal()
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
	receipt, err := p.opts.Service.Publish(ctx, by, call, draft)
	if err != nil {
		return nil, within("/data", err)
	}
	return hub.Published{Receipt: receipt}, nil
}

// mark returns the command that does what POST /inbox/read, or its like, does.
func mark(verb notify.Verb) command {
	return func(ctx context.Context, p *Protocol, c *hub.Conn, cmd Command) (hub.Result, error) {
		if cmd.Data == nil {
			return nil, errNoData
		}
		which, err := wire.Marks(cmd.Data)
		if err != nil {
			return nil, within("/data", err)
		}
		counts, err := p.opts.Service.Mark(ctx, c.Principal(), verb, which)
		if err != nil {
			return nil, within("/data", err)
		}
		return hub.Marked{Counts: counts}, nil
	}
}

// refresh lets the connection continue with a newer token of its user. A token that is
// not valid changes nothing; that of another user ends the connection.
func refresh(ctx context.Context, p *Protocol, c *hub.Conn, cmd Command) (hub.Result, error) {
	verifier := p.opts.Verifier
	if verifier == nil {
		return nil, notify.Unavailable(notify.CauseKeys, "this node cannot verify tokens")
	}
	if cmd.Data == nil {
		return nil, errNoData
	}
	token, err := readToken(cmd.Data)
	if err != nil {
		return nil, within("/data", err)
	}
	by, err := verifier.Verify(ctx, token)
	if err != nil {
		return nil, err
	}
	if by.User != c.Principal().User { // an API key has no user
		c.End(notify.CloseOtherUser)
		return nil, notify.TokenInvalid(notify.CauseUser, "the token is that of another user")
	}
	c.Renew(by) // false if c has ended: then it receives no reply either
	// A revocation, or the withdrawal of an issuer, that was applied since the token was
	// verified has looked at the older token and found nothing to end.
	if why, yes := by.Issuer.Withdrawn(); yes {
		c.End(why)
		return nil, notify.TokenInvalid(notify.CauseIssuer, "the issuer of the token is no longer accepted")
	}
	if _, err := verifier.Verify(ctx, token); errors.Is(err, notify.ErrTokenRevoked) {
		c.End(notify.CloseRevoked)
		return nil, err
	}
	return hub.Renewed{Expires: by.Expires, Topics: by.Topics, TopicsIgnored: by.TopicsIgnored}, nil
}

var errNoData = notify.Invalid(notify.Fault{Pointer: "/data", Detail: "is required"})

// within returns err with its faults moved into a member of the message.
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
