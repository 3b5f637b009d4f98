package protocols_test

import (
	"context"
	"encoding/json"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/protocol"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/wire"
)

// second is a protocol that has nothing in common with version 1. Its handshake offers
// "second" and has no token. The first message is
//
//	{"connect":{"token":"…","since":"…"}}
//
// Each message that the client receives is an object with one member, such as
//
//	{"push":{"headline":"…","kind":"…","payload":"…","at":"…"}}
//
// in which payload is the notification's data as a string. {"seen":"<at>"} marks
// everything up to a cursor as read.
type second struct {
	service  *service.Service
	cursors  *cursor.Keyring
	tokens   func(ctx context.Context, token string) (notify.Principal, error)
	codec    *hub.Codec
	encoded  *atomic.Int64 // number of encoded events
	received *atomic.Int64 // number of first messages read
}

const subprotocol = "second"

func newSecond(s *service.Service, k *cursor.Keyring, tokens func(context.Context, string) (notify.Principal, error)) *second {
	p := &second{service: s, cursors: k, tokens: tokens, encoded: new(atomic.Int64), received: new(atomic.Int64)}
	p.codec = hub.NewCodec(func(dst []byte, e *hub.Event) []byte {
		p.encoded.Add(1)
		return append(dst, bodyOf(e)...)
	})
	return p
}

// Accept implements protocol.Protocol.
func (p *second) Accept(r *http.Request) (protocol.Opening, error) {
	if r.Header.Get("Sec-Websocket-Protocol") != subprotocol {
		return protocol.Opening{}, notify.Errorf(notify.ErrMalformed, "offer the subprotocol "+subprotocol)
	}
	return protocol.Opening{Session: p, Subprotocol: subprotocol}, nil
}

// Authenticate implements protocol.Session.
func (p *second) Authenticate(ctx context.Context, message []byte) (protocol.Start, error) {
	p.received.Add(1)
	var first struct {
		Connect *struct{ Token, Since string }
	}
	if json.Unmarshal(message, &first) != nil || first.Connect == nil {
		return protocol.Start{}, notify.Errorf(notify.ErrMalformed, "the first message must be connect")
	}
	by, err := p.tokens(ctx, first.Connect.Token)
	return protocol.Start{Principal: by, Cursor: first.Connect.Since}, err
}

// Receive implements protocol.Session.
func (p *second) Receive(c *hub.Conn, message []byte) *notify.Close {
	var m struct{ Seen string }
	if json.Unmarshal(message, &m) != nil || m.Seen == "" {
		return &notify.CloseNoObject
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	counts, err := p.service.Mark(ctx, c.Principal(), notify.VerbRead, wire.Selection{Through: m.Seen})
	answer := &hub.Event{Unshared: true, Content: hub.Reply{Result: hub.Marked{Counts: counts}}}
	if err != nil {
		answer.Content = hub.Failure{Err: err}
	}
	c.Offer(answer)
	return nil
}

// Size implements protocol.Encoder.
func (*second) Size(e *hub.Event) int {
	if n, ok := e.Content.(hub.Notification); ok {
		return 256 + 3*len(n.Content)
	}
	return 256 + len(bodyOf(e))
}

// AppendEvent implements protocol.Encoder.
func (p *second) AppendEvent(dst []byte, e *hub.Event, user cursor.Tag) []byte {
	dst = append(append(append(dst, `{"`...), nameOf(e)...), `":{`...)
	dst = e.AppendEncoded(dst, p.codec)
	if e.Sequence != 0 {
		dst = append(p.cursors.Append(append(dst, `,"at":"`...), user, e.Sequence), '"')
	}
	return append(dst, "}}"...)
}

// AppendClose implements protocol.Encoder: there is no last message, and the codes are
// the protocol's own.
func (*second) AppendClose(dst []byte, why notify.Close) (message []byte, code int, reason string) {
	return dst, 3000 + why.Code%1000, "second: " + why.Reason
}

func nameOf(e *hub.Event) string {
	switch e.Content.(type) {
	case hub.Notification:
		return "push"
	case hub.Reply:
		return "seen"
	case hub.Failure:
		return "failed"
	case hub.InboxChange:
		return "changed"
	case hub.Live:
		return "now"
	case hub.Reset:
		return "gap"
	default:
		return "hello"
	}
}

// bodyOf returns the members of an event's object.
func bodyOf(e *hub.Event) []byte {
	var body any
	switch c := e.Content.(type) {
	case hub.Notification:
		f, err := c.Fields()
		if err != nil {
			panic(err)
		}
		body = map[string]any{"headline": f.Title, "kind": f.Type, "payload": string(f.Data)}
	case hub.Reply:
		body = map[string]any{"left": c.Result.(hub.Marked).Counts.Unread}
	case hub.InboxChange:
		body = map[string]any{"read": len(c.Read), "left": c.Counts.Unread}
	case hub.Live:
		body = map[string]any{"left": c.Counts.Unread}
	case hub.Welcome:
		body = map[string]any{"you": c.User, "again": c.Resumed}
	case hub.Reset:
		body = map[string]any{"why": c.Reason}
	case hub.Failure:
		body = map[string]any{"why": c.Err.Error()}
	}
	b, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return b[1 : len(b)-1]
}
