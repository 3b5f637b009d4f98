package sse

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/problem"
	"github.com/bellhop/bellhop/internal/protocol"
)

// Joiner brings connections from their cursors to live delivery: package service.
type Joiner interface {
	Join(ctx context.Context, c *hub.Conn, cursor string, welcomed func()) (live bool)
}

// Options configure a Handler. Protocol, Service and Hub are required.
type Options struct {
	Protocol protocol.Protocol // whose messages are events of text/event-stream
	Service  Joiner
	Hub      *hub.Hub
}

// Handler serves event streams.
type Handler struct {
	opts Options
	open atomic.Int64
}

// Count returns how many streams are open.
func (h *Handler) Count() int { return int(h.open.Load()) }

// New returns a Handler. Its requests must have been admitted by hub.Admit. The
// connection takes the slot that the request's context has (hub.WithSlot); if there is
// no connection in the end, the slot stays with the caller that admitted the request.
func New(opts Options) *Handler {
	return &Handler{opts: opts}
}

// ServeHTTP serves a stream until it ends.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	opening, err := h.opts.Protocol.Accept(r)
	if err == nil && opening.Start == nil { // a stream has no first message
		err = notify.Errorf(notify.ErrUnauthenticated, "an event stream requires a token")
	}
	if err != nil {
		problem.Respond(w, r, err)
		return
	}
	by := opening.Start.Principal
	ctx, cancel := context.WithCancel(r.Context())
	s := &stream{
		session: opening.Session,
		user:    cursor.TagOf(by.User),
		w:       w,
		control: http.NewResponseController(w),
		cancel:  cancel,
		ended:   make(chan struct{}),
	}
	s.conn = h.opts.Hub.NewConn(by, uuid.Must(uuid.NewV7()).String(), hub.SlotOf(r.Context()), s)
	s.begin()
	if err := h.opts.Hub.Register(s.conn); err != nil {
		window, _ := h.opts.Hub.Draining()
		s.Close(notify.CloseRestart(window))
		return
	}
	h.open.Add(1)
	defer h.open.Add(-1)
	defer s.finish()
	h.opts.Service.Join(ctx, s.conn, opening.Start.Cursor, func() {}) // which has ended the connection if it failed
	<-ctx.Done()
}

// finish returns when no goroutine writes any more: the response belongs to net/http.
func (s *stream) finish() {
	s.conn.End(notify.CloseLost) // unless it has ended for another reason
	<-s.ended
	s.writing.Lock() // a write under way fails soon
	defer s.writing.Unlock()
}

// begin sends the header of the response. It keeps caches from storing the stream, and
// proxies from compressing or withholding its events.
func (s *stream) begin() {
	_ = s.control.SetReadDeadline(time.Time{}) // those of the server are for requests that end soon
	_ = s.control.SetWriteDeadline(time.Time{})
	header := s.w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store, no-transform")
	header.Set("X-Accel-Buffering", "no") // for nginx, and proxies that adopted this header
	s.w.WriteHeader(http.StatusOK)
}
