package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/test/contract"
)

// connection is a client of the service: one WebSocket of a user.
type connection struct {
	s      *service
	ws     *websocket.Conn
	frames *contract.Frames
	cursor string
}

// frame is one message from the service.
type frame struct {
	Event  string         `json:"event"`
	Cursor string         `json:"cursor"`
	Ref    string         `json:"ref"`
	Data   map[string]any `json:"data"`
}

func (f frame) text(member string) string {
	s, _ := f.Data[member].(string)
	return s
}

// dial connects with a token and returns the response to the handshake.
func (s *service) dial(token, cursor string, headers ...string) (*connection, *http.Response, error) {
	s.t.Helper()
	h := http.Header{}
	if token != "" {
		h.Set("Authorization", "Bearer "+token)
	}
	var protocols []string // the client library writes this header itself
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Sec-WebSocket-Protocol" {
			protocols = strings.Split(headers[i+1], ", ")
			continue
		}
		h.Set(headers[i], headers[i+1])
	}
	address := s.url("/ws")
	if cursor != "" {
		address += "?cursor=" + url.QueryEscape(cursor)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), timeout)
	defer cancel()
	ws, resp, err := websocket.Dial(ctx, address, &websocket.DialOptions{
		HTTPClient: s.client, HTTPHeader: h, Subprotocols: protocols,
	})
	if err != nil {
		return nil, resp, err
	}
	ws.SetReadLimit(64 << 10)
	c := &connection{s: s, ws: ws, frames: frames(s.t)}
	s.t.Cleanup(c.drop)
	return c, resp, nil
}

// connect connects a user and reads the welcome event. An empty cursor means that
// only new notifications are delivered.
func (s *service) connect(user, cursor string) *connection {
	s.t.Helper()
	return s.connectWith(token(s.t, user), cursor)
}

func (s *service) connectWith(token, cursor string) *connection {
	s.t.Helper()
	c, _, err := s.dial(token, cursor)
	require.NoError(s.t, err)
	require.Equal(s.t, "welcome", c.read().Event)
	return c
}

// live connects a user without a cursor and returns after the live event.
func (s *service) live(user string) *connection {
	s.t.Helper()
	c := s.connect(user, "")
	c.expect("live")
	return c
}

// read returns the next frame and remembers its cursor, as a client does that
// wants to resume.
func (c *connection) read() frame {
	c.s.t.Helper()
	f, err := c.tryRead()
	require.NoError(c.s.t, err)
	return f
}

func (c *connection) tryRead() (frame, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	var f frame
	kind, b, err := c.ws.Read(ctx)
	if err != nil {
		return f, err
	}
	require.Equal(c.s.t, websocket.MessageText, kind)
	require.NoError(c.s.t, json.Unmarshal(b, &f), "%s", b)
	c.frames.Received(b)
	if f.Cursor != "" {
		c.cursor = f.Cursor
	}
	return f, nil
}

// expect reads as many frames as there are words and requires that they are equal
// to them: a word is the title of a notification, or the name of another event.
func (c *connection) expect(words ...string) {
	c.s.t.Helper()
	var got []string
	for range words {
		f := c.read()
		word := f.Event
		if f.Event == "notification" {
			word = f.text("title")
		}
		got = append(got, word)
	}
	require.Equal(c.s.t, words, got)
}

// send sends a command.
func (c *connection) send(command string) {
	c.s.t.Helper()
	c.frames.Sent([]byte(command))
	require.NoError(c.s.t, c.ws.Write(c.s.t.Context(), websocket.MessageText, []byte(command)))
}

// closed reads until the connection is closed. It returns the code and the reason
// of the close frame, and the last event before, which is the close event.
func (c *connection) closed() (code int, reason string, event frame) {
	c.s.t.Helper()
	for {
		f, err := c.tryRead()
		if err == nil {
			event = f
			continue
		}
		var closed websocket.CloseError
		require.True(c.s.t, errors.As(err, &closed), "%v", err)
		return int(closed.Code), closed.Reason, event
	}
}

// drop ends the connection without a close frame.
func (c *connection) drop() { _ = c.ws.CloseNow() }

func refused(t *testing.T, resp *http.Response, err error, status int) {
	t.Helper()
	require.Error(t, err)
	require.NotNil(t, resp)
	require.Equal(t, status, resp.StatusCode)
}
