package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/console"
	"github.com/bellhop/bellhop/internal/notify"
)

// Times of the console's event streams.
const (
	consoleHeartbeat = 15 * time.Second // between comments, which keep proxies from closing the stream
	consoleWrite     = 10 * time.Second // of one write
)

// consoleHello is the first event of a stream.
type consoleHello struct {
	ConsoleAbout
	Interval  int            `json:"interval"` // seconds between samples
	Local     bool           `json:"local"`    // the caller needs no token
	Principal string         `json:"principal"`
	May       []notify.Scope `json:"may"`
}

// events serves GET /console/events: the last samples and audit lines, and then each new one. The
// stream ends when the caller's token is no longer accepted, when the caller reads too slowly, and
// when the node stops.
func (k *operatorConsole) events(c echo.Context, by notify.Principal) error {
	hello, err := json.Marshal(consoleHello{
		ConsoleAbout: k.About, Interval: int(console.Interval / time.Second), Local: k.isLocal(c.Request()), Principal: by.Name, May: by.Scopes,
	})
	if err != nil {
		return fmt.Errorf("encode the first event: %w", err)
	}
	w, err := k.Feed.Watch()
	if err != nil {
		return err
	}
	defer w.Close()
	s := newConsoleStream(c)
	s.send("hello", hello)
	s.send("history", fmt.Appendf(nil, "[%s]", bytes.Join(w.Samples, []byte(","))))
	for _, line := range w.Lines {
		s.send(string(console.KindAudit), line)
	}
	s.flush()
	k.follow(c.Request(), w, s)
	return nil
}

// follow sends the events of w until the stream has to end.
func (k *operatorConsole) follow(r *http.Request, w *console.Watcher, s *consoleStream) {
	heartbeat := time.NewTicker(consoleHeartbeat)
	defer heartbeat.Stop()
	for s.err == nil {
		select {
		case <-r.Context().Done():
			return
		case e, open := <-w.Events():
			if !open || e.Kind == console.KindSample && !k.isAccepted(r) {
				return
			}
			s.send(string(e.Kind), e.Data)
		case <-heartbeat.C:
			if !k.isAccepted(r) {
				return
			}
			s.write(": heartbeat\n\n")
		}
		s.flush()
	}
}

// isAccepted reports whether the caller of a stream may still use the console. Keys that cannot be
// fetched at the moment end no stream.
func (k *operatorConsole) isAccepted(r *http.Request) bool {
	by, err := k.caller(r)
	if errors.Is(err, notify.ErrUnavailable) {
		return true
	}
	return err == nil && by.May(notify.ScopeAdmin) == nil
}

// consoleStream writes text/event-stream. After an error, which it keeps, it writes nothing.
type consoleStream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	err     error
}

// newConsoleStream begins the answer.
func newConsoleStream(c echo.Context) *consoleStream {
	s := &consoleStream{w: c.Response(), control: http.NewResponseController(c.Response().Writer)}
	_ = s.control.SetReadDeadline(time.Time{}) // that of the server is for requests that end soon
	h := s.w.Header()
	h.Set(echo.HeaderContentType, "text/event-stream")
	h.Set(echo.HeaderCacheControl, "no-store, no-transform")
	h.Set("X-Accel-Buffering", "no") // for nginx, and proxies that adopted this header
	s.w.WriteHeader(http.StatusOK)
	return s
}

func (s *consoleStream) send(event string, data []byte) {
	s.write(fmt.Sprintf("event: %s\ndata: %s\n\n", event, data))
}

func (s *consoleStream) write(text string) {
	if s.err != nil {
		return
	}
	_ = s.control.SetWriteDeadline(time.Now().Add(consoleWrite)) // tests have writers without deadlines
	_, s.err = s.w.Write([]byte(text))
}

func (s *consoleStream) flush() {
	if s.err == nil {
		s.err = s.control.Flush()
	}
}
