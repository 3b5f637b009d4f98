package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/websocket"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/wire"
)

const (
	handshakeTimeout = 10 * time.Second
	closeTimeout     = time.Second
	silenceTimeout   = time.Minute // the service sends a ping every 25 s
)

// message is one frame of the service.
type message struct {
	Event  string          `json:"event"`
	Cursor string          `json:"cursor,omitempty"`
	Ref    string          `json:"ref,omitempty"`
	Data   json.RawMessage `json:"data,omitempty"`
}

// closeError is the error of a connection that has ended, with the reason.
type closeError struct{ notify.Close }

func (e *closeError) Error() string { return fmt.Sprintf("closed with %d %s", e.Code, e.Reason) }

// socket is the client's end of a WebSocket to a service.
type socket struct {
	ws  *websocket.Conn
	why *notify.Close // from the close event; nil before one arrived
}

// dial connects to the WebSocket at address and resumes from cursor, or starts
// with new notifications if cursor is empty. A refusal by the service is a
// *problemError.
func dial(ctx context.Context, address, token, cursor string) (*socket, error) {
	if cursor != "" {
		address += "?" + url.Values{"cursor": {cursor}}.Encode()
	}
	dialer := websocket.Dialer{
		Proxy:            http.ProxyFromEnvironment,
		HandshakeTimeout: handshakeTimeout,
		Subprotocols:     []string{auth.Subprotocol},
	}
	conn, answer, err := dialer.DialContext(ctx, address, http.Header{"Authorization": {"Bearer " + token}})
	if err != nil {
		return nil, handshakeError(answer, err)
	}
	s := &socket{ws: conn}
	conn.SetReadLimit(wire.MaxFrame)
	answerPing := conn.PingHandler()
	conn.SetPingHandler(func(data string) error {
		return errors.Join(s.extendDeadline(), answerPing(data))
	})
	return s, nil
}

func handshakeError(answer *http.Response, err error) error {
	if answer == nil || !errors.Is(err, websocket.ErrBadHandshake) {
		return fmt.Errorf("connect: %w", err)
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(answer.Body, maxAnswer)) // a partial body still explains the refusal
	return problemOf(answer.StatusCode, answer.Header.Get("Retry-After"), body)
}

// extendDeadline allows the service silenceTimeout until its next frame or ping.
func (s *socket) extendDeadline() error { return s.ws.SetReadDeadline(time.Now().Add(silenceTimeout)) }

// next returns the next frame, the close event included. The error of a closed
// connection is a *closeError; its code is 1006 if the connection was lost. When
// ctx ends, next returns the error of ctx, and the connection cannot be used any
// more.
func (s *socket) next(ctx context.Context) (message, error) {
	if err := s.extendDeadline(); err != nil {
		return message{}, fmt.Errorf("read: %w", err)
	}
	defer onEnd(ctx, func() { s.ws.Close() })()
	_, frame, err := s.ws.ReadMessage()
	if err != nil {
		if ctx.Err() != nil {
			return message{}, ctx.Err()
		}
		return message{}, s.closeError(err)
	}
	var m message
	if err := json.Unmarshal(frame, &m); err != nil {
		return message{}, fmt.Errorf("read: %w", err)
	}
	if m.Event == "close" {
		s.keepReason(m.Data)
	}
	return m, nil
}

// onEnd calls f when ctx ends. The returned function prevents that, and waits for f if it has begun.
func onEnd(ctx context.Context, f func()) (stop func()) {
	returned := make(chan struct{})
	prevent := context.AfterFunc(ctx, func() {
		defer close(returned)
		f()
	})
	return func() {
		if !prevent() {
			<-returned
		}
	}
}

// keepReason stores the reason of a close event for closeError.
func (s *socket) keepReason(data []byte) {
	var why struct {
		Code      int
		Reason    string
		Reconnect bool
		After     int64
	}
	if json.Unmarshal(data, &why) == nil {
		s.why = &notify.Close{
			Code: why.Code, Reason: why.Reason, Reconnect: why.Reconnect,
			After: time.Duration(why.After) * time.Second,
		}
	}
}

// closeError returns the reason of the close event, else that of the close frame,
// else that the connection was lost.
func (s *socket) closeError(err error) error {
	var closed *websocket.CloseError
	switch {
	case s.why != nil:
		return &closeError{*s.why}
	case errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure:
		return &closeError{notify.Close{Code: closed.Code, Reason: closed.Text, Reconnect: true}}
	default:
		return &closeError{notify.CloseLost}
	}
}

// close sends a close frame and closes the connection. The result of neither
// matters to a client that ends.
func (s *socket) close() {
	bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	_ = s.ws.WriteControl(websocket.CloseMessage, bye, time.Now().Add(closeTimeout))
	s.ws.Close()
}
