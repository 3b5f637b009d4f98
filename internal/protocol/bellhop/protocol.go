package bellhop

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/bellhop/bellhop/internal/audit"
	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/protocol"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/strict"
	"github.com/bellhop/bellhop/internal/wire"
)

// Service carries out commands: package service.
type Service interface {
	Publish(ctx context.Context, by notify.Principal, call service.Call, d notify.Draft) (notify.Receipt, error)
	Mark(ctx context.Context, by notify.Principal, verb notify.Verb, which wire.Selection) (notify.Counts, error)
}

// Verifier verifies tokens: package auth.
type Verifier interface {
	// Verify returns an error of a kind in package notify if the token is not valid.
	Verify(ctx context.Context, token string) (notify.Principal, error)
}

// Metrics counts commands, and those that were refused.
type Metrics interface {
	audit.Metrics

	// Answered counts a command by its name, or "unknown" if there is no such command,
	// and the status of its answer, as of an HTTP request.
	Answered(command string, status int)
}

type noMetrics struct{}

func (noMetrics) Answered(string, int)                 {}
func (noMetrics) Refused(string, string, notify.Cause) {}

// Options configure a Protocol. Service and Cursors are required.
type Options struct {
	Service  Service
	Cursors  Cursors
	Verifier Verifier          // for the command refresh; nil: it is refused
	Requests *limit.Principals // how many commands a principal may send; nil: any number
	Depth    func() int        // how deep the JSON of a command may nest; nil: strict.DefaultDepth
	Metrics  Metrics           // nil: none
	Logger   *slog.Logger      // nil: none
}

// Protocol is the protocol on WebSockets. It keeps nothing per connection.
type Protocol struct {
	opts  Options
	codec *hub.Codec
}

// New returns the protocol.
func New(opts Options) *Protocol {
	if opts.Depth == nil {
		opts.Depth = func() int { return strict.DefaultDepth }
	}
	if opts.Metrics == nil {
		opts.Metrics = noMetrics{}
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Protocol{opts: opts, codec: hub.NewCodec(appendData)}
}

// Accept implements protocol.Protocol. The principal is in the request's context
// (auth.WithPrincipal), and the query has at most one cursor.
func (p *Protocol) Accept(r *http.Request) (protocol.Opening, error) {
	start, err := startOf(r)
	if err != nil {
		return protocol.Opening{}, err
	}
	opening := protocol.Opening{Session: p, Start: start}
	if len(r.Header.Values("Sec-Websocket-Protocol")) > 0 {
		opening.Subprotocol = auth.Subprotocol
	}
	return opening, nil
}

func startOf(r *http.Request) (*protocol.Start, error) {
	by, ok := auth.PrincipalOf(r.Context())
	if !ok {
		return nil, notify.Errorf(notify.ErrUnauthenticated, "a connection requires a token")
	}
	return &protocol.Start{Principal: by, Cursor: r.URL.Query().Get("cursor")}, nil
}

// Authenticate implements protocol.Session. It is never called, since Accept always
// knows who connects.
func (*Protocol) Authenticate(context.Context, []byte) (protocol.Start, error) {
	return protocol.Start{}, notify.Errorf(notify.ErrUnauthenticated, "the token belongs in the handshake")
}
