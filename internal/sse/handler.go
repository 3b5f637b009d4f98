package sse

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/problem"
)

// Inbox is what a stream is told: package service.
type Inbox interface {
	Join(ctx context.Context, c *hub.Conn, cursor string, welcomed func()) error
}

// Cursors seals the cursors that events bear: package cursor.
type Cursors interface {
	Append(dst []byte, tag cursor.Tag, seq notify.Sequence) []byte
}

// Options says what a Handler works with. Inbox, Hub and Cursors are required.
type Options struct {
	Inbox   Inbox
	Hub     *hub.Hub
	Cursors Cursors
	Logger  *slog.Logger // nil: none
}

// Handler serves event streams.
type Handler struct {
	opts Options
	open atomic.Int64
}

// Count returns how many streams are open.
func (h *Handler) Count() int { return int(h.open.Load()) }

// New returns a Handler. Its requests come with the principal in their context
// (auth.WithPrincipal); one without is refused. The connection takes the seat
// that the context has (hub.WithSeat); if none comes of the request, it stays
// with whoever admitted it.
func New(opts Options) *Handler {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Handler{opts: opts}
}

// ServeHTTP serves a stream until it ends. Where it starts is for Last-Event-ID
// to say, which a browser sends that comes back by itself, else for ?cursor=.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p, ok := auth.PrincipalOf(r.Context())
	if !ok {
		problem.Respond(w, r, notify.Errorf(notify.ErrUnauthenticated, "an event stream needs a token"))
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	s := &stream{
		handler: h,
		tag:     cursor.TagOf(p.User),
		w:       w,
		control: http.NewResponseController(w),
		cancel:  cancel,
		ended:   make(chan struct{}),
	}
	s.conn = h.opts.Hub.NewConn(p, uuid.Must(uuid.NewV7()).String(), hub.SeatOf(r.Context()), s)
	s.begin()
	if err := h.opts.Hub.Register(s.conn); err != nil {
		window, _ := h.opts.Hub.Draining()
		s.Close(notify.CloseRestart(window))
		return
	}
	h.open.Add(1)
	defer h.open.Add(-1)
	defer s.finish()
	s.join(ctx, cursorOf(r))
	<-ctx.Done()
}

// finish returns when nobody writes any more: what is written to is net/http's.
func (s *stream) finish() {
	s.conn.End(notify.CloseLost) // unless there was a reason before
	<-s.ended
	s.writing.Lock() // whoever still writes fails soon
	defer s.writing.Unlock()
}

// cursorOf returns where the client wants to resume.
func cursorOf(r *http.Request) string {
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		return last
	}
	return r.URL.Query().Get("cursor")
}

// begin sends the head of the answer. Its headers keep caches from storing the
// stream, and proxies from compressing or withholding its events.
func (s *stream) begin() {
	_ = s.control.SetReadDeadline(time.Time{}) // the server's are for requests that end
	_ = s.control.SetWriteDeadline(time.Time{})
	head := s.w.Header()
	head.Set("Content-Type", "text/event-stream")
	head.Set("Cache-Control", "no-store, no-transform")
	head.Set("X-Accel-Buffering", "no") // nginx, and those who have it from there
	s.w.WriteHeader(http.StatusOK)
}

// join brings the connection from its cursor to the live road. If it ends
// meanwhile, Close cancels ctx.
func (s *stream) join(ctx context.Context, cursor string) {
	err := s.handler.opts.Inbox.Join(ctx, s.conn, cursor, func() {})
	if err == nil {
		return
	}
	if !errors.Is(err, hub.ErrEnded) && ctx.Err() == nil {
		s.handler.opts.Logger.Error("connection could not join",
			slog.String("connection", s.conn.ID()), slog.Any("error", err))
	}
	s.conn.End(notify.CloseInternal)
}
