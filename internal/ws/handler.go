package ws

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"

	"github.com/bellhop/bellhop/internal/audit"
	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/problem"
	"github.com/bellhop/bellhop/internal/protocol"
)

// readBuffer is the size of gorilla's read buffer for a connection. Messages are rare,
// and larger ones are read past it.
const readBuffer = 256

// Joiner brings connections from their cursors to live delivery: package service.
type Joiner interface {
	JoinAtOnce(c *hub.Conn, cursor string) bool
	Join(ctx context.Context, c *hub.Conn, cursor string, welcomed func()) (live bool)
}

// Options configure a Handler. Protocol, Service, Hub and CheckOrigin are required.
type Options struct {
	Protocol    protocol.Protocol
	Service     Joiner
	Hub         *hub.Hub
	CheckOrigin func(*http.Request) bool

	// Commands is how many messages and pings a connection may send in 10 s before it
	// is closed with 4429; 0: 100.
	Commands int

	// Bounds on connections that are not authenticated yet, if Protocol has such. The
	// bytes that each may send have a fixed bound, maxUnauthenticated.
	Unauthenticated           int           // in all; 0: 1,000
	UnauthenticatedPerAddress int           // of an address, or IPv6 /64; 0: 10
	AuthenticationTimeout     time.Duration // from the handshake until the first message was handled; 0: 10 s

	Metrics audit.Metrics // of refused connections; nil: none
	Logger  *slog.Logger  // nil: none
}

func (o *Options) setDefaults() {
	if o.Commands == 0 {
		o.Commands = 100
	}
	if o.Unauthenticated == 0 {
		o.Unauthenticated = 1_000
	}
	if o.UnauthenticatedPerAddress == 0 {
		o.UnauthenticatedPerAddress = 10
	}
	if o.AuthenticationTimeout == 0 {
		o.AuthenticationTimeout = 10 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Handler upgrades requests to WebSockets and serves those.
type Handler struct {
	// Set by New, then read-only.
	opts     Options
	upgrader websocket.Upgrader
	started  time.Time

	unauthenticated *hub.Admission

	buffers sync.Pool

	startPoller sync.Once
	poller      *poller // nil: there is none
	polls       sync.WaitGroup

	// stopping ends when Wait is called: connections that are not authenticated then
	// will not be.
	stopping context.Context
	stop     context.CancelFunc

	commands atomic.Int64 // Options.Commands, until SetCommands replaces it

	mu     sync.Mutex
	closed bool
	tasks  sync.WaitGroup // grows from zero under mu alone, while not closed
}

// New returns a Handler. Its requests must be valid WebSocket handshakes that hub.Admit
// has admitted. The connection takes the slot that the request's context has
// (hub.WithSlot); if there is no connection in the end, the slot stays with the caller
// that admitted the request.
func New(opts Options) *Handler {
	opts.setDefaults()
	h := &Handler{
		opts: opts, started: time.Now(),
		unauthenticated: hub.NewAdmission(opts.Unauthenticated, opts.UnauthenticatedPerAddress),
	}
	h.commands.Store(int64(opts.Commands))
	h.stopping, h.stop = context.WithCancel(context.Background())
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

// SetCommands replaces Options.Commands, for open connections too.
func (h *Handler) SetCommands(n int) { h.commands.Store(int64(n)) }

// ServeHTTP upgrades the request and returns; the connection goes on by itself.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.enter() {
		problem.Respond(w, r, notify.Errorf(notify.ErrDraining, "this node is stopping"))
		return
	}
	defer h.tasks.Done()
	opening, err := h.opts.Protocol.Accept(r)
	if err != nil {
		problem.Respond(w, r, err)
		return
	}
	s := &socket{handler: h, session: opening.Session}
	var answer http.Header
	if opening.Subprotocol != "" {
		answer = http.Header{"Sec-Websocket-Protocol": {opening.Subprotocol}}
	}
	s.ws, err = h.upgrader.Upgrade(&hijacker{ResponseWriter: w, conn: &s.net}, r, answer)
	if err != nil {
		return // it was answered, or the client has gone
	}
	s.net.upgraded = true
	s.ws.SetReadLimit(maxMessage)
	s.ws.SetPingHandler(s.pong)
	slot := hub.SlotOf(r.Context())
	if opening.Start != nil {
		s.start(*opening.Start, slot)
		return
	}
	h.tasks.Add(1)
	go s.authenticate(slot, slot.Keep())
}

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

// Wait returns when all connections have ended and no goroutine of h runs any more. It
// ends those that are not authenticated; hub.Drain must end the others. From now on
// requests are refused.
func (h *Handler) Wait() {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.stop()
	h.tasks.Wait()
	if h.poller != nil {
		h.poller.stop()
		h.polls.Wait()
		h.poller.close()
	}
}

// polling returns the poller, which runs from the first call on; nil if the system has
// none.
func (h *Handler) polling() *poller {
	h.startPoller.Do(func() {
		if h.poller = newPoller(h.opts.Logger); h.poller != nil {
			h.polls.Go(h.poller.run)
		}
	})
	return h.poller
}
