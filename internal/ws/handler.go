package ws

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/gorilla/websocket"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/problem"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/wire"
)

// readBuffer is how much is read ahead on a connection. Commands are rare, and
// larger ones are read past it.
const readBuffer = 256

// Inbox is what a connection needs of package service, whose Inbox it is.
type Inbox interface {
	JoinAtOnce(c *hub.Conn, cursor string) bool
	Join(ctx context.Context, c *hub.Conn, cursor string, welcomed func()) error
	Publish(ctx context.Context, by notify.Principal, call service.Call, d notify.Draft) (notify.Receipt, error)
	Mark(ctx context.Context, by notify.Principal, verb notify.Verb, which wire.Selection) (unread int, err error)
}

// Cursors seals the cursors that events bear: package cursor.
type Cursors interface {
	Append(dst []byte, tag cursor.Tag, seq notify.Sequence) []byte
}

// Verifier knows whose a token is; package auth's is one.
type Verifier interface {
	// Verify returns an error of a kind that clients are told if the token is
	// not good, or not any more.
	Verify(ctx context.Context, token string) (notify.Principal, error)
}

// Metrics counts the commands of clients.
type Metrics interface {
	// Answered counts a command by its name, "unknown" for those there are
	// none of, and the status of its answer, as of an HTTP request.
	Answered(command string, status int)
}

type noMetrics struct{}

func (noMetrics) Answered(string, int) {}

// Options says what a Handler works with. Inbox, Hub, Cursors and CheckOrigin are
// required.
type Options struct {
	Inbox       Inbox
	Hub         *hub.Hub
	Cursors     Cursors
	CheckOrigin func(*http.Request) bool

	// Verifier is asked for the principals of the tokens that refresh brings;
	// nil: there is no refresh.
	Verifier Verifier

	// Commands is how many commands a connection may send in 10 s before it is
	// closed with 4429; 0: 100.
	Commands int

	Requests *limit.Principals // how many commands a principal may send; nil: any number

	Depth int // how deep the JSON of a command may nest; 0: wire.MaxDepth

	Metrics Metrics      // nil: none
	Logger  *slog.Logger // nil: none
}

// Handler upgrades requests to WebSockets and serves those.
type Handler struct {
	// Set by New, then read-only.
	opts     Options
	upgrader websocket.Upgrader
	began    time.Time

	buffers sync.Pool

	startPoller sync.Once
	poller      *poller // nil: there is none
	polls       sync.WaitGroup

	mu     sync.Mutex
	closed bool
	tasks  sync.WaitGroup // grows from zero under mu alone, while not closed
}

// New returns a Handler. Its requests come with the principal in their context
// (auth.WithPrincipal), were found to ask for our WebSocket, and have at most one
// cursor in their query; one without a principal is refused. The connection takes the seat that the context has
// (hub.WithSeat); if none comes of the request, it stays with whoever admitted it.
func New(opts Options) *Handler {
	if opts.Commands == 0 {
		opts.Commands = 100
	}
	if opts.Depth == 0 {
		opts.Depth = wire.MaxDepth
	}
	if opts.Metrics == nil {
		opts.Metrics = noMetrics{}
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	h := &Handler{opts: opts, began: time.Now()}
	h.upgrader = websocket.Upgrader{
		ReadBufferSize:  readBuffer,
		WriteBufferPool: &sync.Pool{}, // so that connections own none: gorilla does not write
		CheckOrigin:     opts.CheckOrigin,
		Error: func(w http.ResponseWriter, r *http.Request, status int, reason error) {
			switch {
			case status == http.StatusForbidden:
				reason = auth.RefusedOrigin(r.Header["Origin"])
			case status < http.StatusInternalServerError:
				reason = notify.Errorf(notify.ErrMalformed, "%v", reason)
			}
			problem.Respond(w, r, reason)
		},
	}
	return h
}

// ServeHTTP upgrades the request and returns; the connection goes on by itself.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.enter() {
		problem.Respond(w, r, notify.Errorf(notify.ErrDraining, "this node is stopping"))
		return
	}
	defer h.tasks.Done()
	p, ok := auth.PrincipalOf(r.Context())
	if !ok {
		problem.Respond(w, r, notify.Errorf(notify.ErrUnauthenticated, "a WebSocket needs a token"))
		return
	}
	s := &socket{handler: h}
	var answer http.Header
	if len(r.Header.Values("Sec-Websocket-Protocol")) > 0 {
		answer = http.Header{"Sec-Websocket-Protocol": {auth.Subprotocol}}
	}
	var err error
	s.ws, err = h.upgrader.Upgrade(&hijacker{ResponseWriter: w, door: &s.door}, r, answer)
	if err != nil {
		return // it was answered, or there is nobody to answer
	}
	s.start(clone(p), hub.SeatOf(r.Context()), r.URL.Query().Get("cursor"))
}

// clone returns p without a hold on the request or the token that it is from.
func clone(p notify.Principal) notify.Principal {
	p.User = notify.UserID(strings.Clone(string(p.User)))
	p.Name = strings.Clone(p.Name)
	p.TokenID = strings.Clone(p.TokenID)
	p.Scopes = slices.Clone(p.Scopes)
	for i, s := range p.Scopes {
		p.Scopes[i] = notify.Scope(strings.Clone(string(s)))
	}
	p.Topics = slices.Clone(p.Topics)
	for i, t := range p.Topics {
		p.Topics[i] = notify.TopicPattern(strings.Clone(string(t)))
	}
	return p
}

// newID returns what a connection is called.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

// enter counts a request in, unless Wait was called.
func (h *Handler) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return false
	}
	h.tasks.Add(1)
	return true
}

// Wait returns when all connections have ended and nothing that h started runs
// any more. It ends none: hub.Drain does. From now on requests are refused.
func (h *Handler) Wait() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.tasks.Wait()
	if h.poller != nil {
		h.poller.stop()
		h.polls.Wait()
		h.poller.close()
	}
}

// polling returns the poller, which runs from the first time on; nil if the
// system has none.
func (h *Handler) polling() *poller {
	h.startPoller.Do(func() {
		if h.poller = newPoller(h.opts.Logger); h.poller != nil {
			h.polls.Go(h.poller.run)
		}
	})
	return h.poller
}
