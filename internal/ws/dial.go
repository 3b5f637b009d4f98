package ws

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
	clientSilence = time.Minute // the service pings every 25 s
	problemMost   = 64 << 10
)

// Message is a frame as a client reads it.
type Message struct {
	Event  string          `json:"event"`
	Cursor string          `json:"cursor"`
	Ref    string          `json:"ref"`
	Data   json.RawMessage `json:"data"`
}

// HandshakeError says that the service refused to upgrade.
type HandshakeError struct {
	Status     int
	RetryAfter string // as the service put it; empty: it did not
	Body       []byte // problem+json, if it is the service that answered
}

func (e *HandshakeError) Error() string {
	var p struct{ Title, Detail string }
	if json.Unmarshal(e.Body, &p) != nil || p.Title == "" {
		return fmt.Sprintf("the service answered %d %s", e.Status, http.StatusText(e.Status))
	}
	return fmt.Sprintf("the service answered %d: %s: %s", e.Status, p.Title, p.Detail)
}

// CloseError says that the connection was closed, and why.
type CloseError struct{ notify.Close }

func (e *CloseError) Error() string { return fmt.Sprintf("closed with %d %s", e.Code, e.Reason) }

// Client is a small client of this service, for the command line.
type Client struct {
	ws  *websocket.Conn
	why *notify.Close // as the service's close event told it
}

// Dial connects to a service's WebSocket, whose URL has the scheme ws, wss,
// http or https, with a token, from a cursor, or from now if that is empty. A
// service that refuses is a *HandshakeError.
func Dial(ctx context.Context, address, token, cursor string) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	switch u.Scheme {
	case "http":
		u.Scheme = "ws"
	case "https":
		u.Scheme = "wss"
	}
	if cursor != "" {
		query := u.Query()
		query.Set("cursor", cursor)
		u.RawQuery = query.Encode()
	}
	dialer := websocket.Dialer{
		Proxy:            http.ProxyFromEnvironment,
		HandshakeTimeout: writeTimeout,
		Subprotocols:     []string{auth.Subprotocol},
	}
	conn, answer, err := dialer.DialContext(ctx, u.String(), http.Header{"Authorization": {"Bearer " + token}})
	if err != nil {
		return nil, handshakeError(answer, err)
	}
	c := &Client{ws: conn}
	conn.SetReadLimit(wire.MaxFrame)
	answerPing := conn.PingHandler()
	conn.SetPingHandler(func(data string) error {
		return errors.Join(c.heard(), answerPing(data))
	})
	return c, nil
}

func handshakeError(answer *http.Response, err error) error {
	if answer == nil || !errors.Is(err, websocket.ErrBadHandshake) {
		return fmt.Errorf("connect: %w", err)
	}
	defer answer.Body.Close()
	// gorilla has read what it shows; a body cut short is still worth showing.
	body, _ := io.ReadAll(io.LimitReader(answer.Body, problemMost))
	return &HandshakeError{Status: answer.StatusCode, RetryAfter: answer.Header.Get("Retry-After"), Body: body}
}

// heard gives the service another minute.
func (c *Client) heard() error { return c.ws.SetReadDeadline(time.Now().Add(clientSilence)) }

// Next returns the next frame, the close event included. When the connection
// has been closed the error is a *CloseError, whose code is 1006 if it was
// lost; when ctx ends, it is that of ctx, and the connection is of no more use.
func (c *Client) Next(ctx context.Context) (Message, error) {
	if err := c.heard(); err != nil {
		return Message{}, fmt.Errorf("read: %w", err)
	}
	defer context.AfterFunc(ctx, func() { c.ws.Close() })()
	_, frame, err := c.ws.ReadMessage()
	if err != nil {
		if ctx.Err() != nil {
			return Message{}, ctx.Err()
		}
		return Message{}, c.closeError(err)
	}
	var m Message
	if err := json.Unmarshal(frame, &m); err != nil {
		return Message{}, fmt.Errorf("read: %w", err)
	}
	if m.Event == "close" {
		c.note(m.Data)
	}
	return m, nil
}

// note keeps what a close event said.
func (c *Client) note(data []byte) {
	var why struct {
		Code      int
		Reason    string
		Reconnect bool
		After     int64
	}
	if json.Unmarshal(data, &why) == nil {
		c.why = &notify.Close{
			Code: why.Code, Reason: why.Reason, Reconnect: why.Reconnect,
			After: time.Duration(why.After) * time.Second,
		}
	}
}

// closeError returns why the connection has ended: as the service said it, else
// by its close frame, else that it was lost.
func (c *Client) closeError(err error) error {
	var closed *websocket.CloseError
	switch {
	case c.why != nil:
		return &CloseError{*c.why}
	case errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure:
		return &CloseError{notify.Close{Code: closed.Code, Reason: closed.Text, Reconnect: true}}
	default:
		return &CloseError{notify.CloseLost}
	}
}

// Close says goodbye and lets the connection go.
func (c *Client) Close() error {
	bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	_ = c.ws.WriteControl(websocket.CloseMessage, bye, time.Now().Add(farewell)) // who is gone cannot be told
	if err := c.ws.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}
