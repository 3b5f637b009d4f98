package cli

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/bellhop/bellhop/internal/notify"
)

// visitor is a device of a simulated user, which connects, stays for a while, and comes back later.
type visitor struct {
	*traffic
	user   notify.UserID
	topics []notify.TopicPattern
	events bool // it reads an event stream, and no WebSocket

	cursor string
}

// run visits the service until ctx ends.
func (v *visitor) run(ctx context.Context) {
	for sleep(ctx, between(0, 5*time.Second)) == nil {
		stay := between(20*time.Second, 2*time.Minute)
		if v.events {
			v.stream(ctx, stay)
		} else {
			v.connect(ctx, stay)
		}
	}
}

// stream reads an event stream for a while, or until the service closes it.
func (v *visitor) stream(ctx context.Context, stay time.Duration) {
	ctx, leave := context.WithTimeout(ctx, stay)
	defer leave()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, v.url+"/events", http.NoBody)
	if err != nil {
		return
	}
	r.Header.Set("Authorization", "Bearer "+v.token(v.user, v.topics))
	answer, err := v.http.Transport.RoundTrip(r) // without the client's timeout
	if err != nil {
		return
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body) // ends with ctx
}

// connect reads a WebSocket for a while, or until the service closes it, and marks some of what
// arrives as read. Some connections are lost, as those of phones are.
func (v *visitor) connect(ctx context.Context, stay time.Duration) {
	s, err := dial(ctx, "ws"+strings.TrimPrefix(v.url, "http")+"/ws", v.token(v.user, v.topics), v.cursor)
	if err != nil {
		return
	}
	defer s.close()
	end := s.close
	if isOneIn(4) {
		end = func() { s.ws.Close() }
	}
	visit, leave := context.WithTimeout(context.Background(), stay)
	defer leave()
	defer onEnd(visit, end)()
	for {
		m, err := s.next(ctx)
		if err != nil {
			return
		}
		if m.Cursor != "" {
			v.cursor = m.Cursor
		}
		if m.Event == "notification" && !v.mark(ctx, s, m.Data) {
			return
		}
	}
}

// mark marks a notification as read, if the user is interested in it. It returns false if that cannot
// be sent.
func (v *visitor) mark(ctx context.Context, s *socket, notification []byte) bool {
	var n struct {
		ID        string `json:"id"`
		Ephemeral bool   `json:"ephemeral"`
	}
	if json.Unmarshal(notification, &n) != nil || n.Ephemeral || !isOneIn(3) {
		return true
	}
	command, err := json.Marshal(map[string]any{"event": "read", "data": map[string]any{"ids": []string{n.ID}}})
	if err != nil || ctx.Err() != nil {
		return false
	}
	return s.ws.SetWriteDeadline(time.Now().Add(closeTimeout)) == nil && s.ws.WriteMessage(websocket.TextMessage, command) == nil
}
