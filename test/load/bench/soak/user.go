//go:build linux

package soak

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// A connection lasts between half of maxLife and maxLife, and a user stays away up to maxAway.
const (
	maxLife = 30 * time.Second
	maxAway = 3 * time.Second
)

// user is a user with one device: it opens a WebSocket, with its token or with a ticket, and an event
// stream every fourth time; reads for a while; marks what it has received; leaves; and comes back with
// its cursor.
type user struct {
	*run
	name   string
	cursor string
	visits int

	mu       sync.Mutex
	ids      map[string]bool
	received map[string][]int // the numbers of each stream of notifications, by its name
	expected map[string]int   // how many of each stream were acknowledged
}

func newUser(r *run, i int) *user {
	return &user{
		run: r, name: fmt.Sprint("user-", i), cursor: "earliest",
		ids: map[string]bool{}, received: map[string][]int{}, expected: map[string]int{},
	}
}

// expect says how many notifications of a stream were acknowledged.
func (u *user) expect(stream string, count int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.expected[stream] = count
}

// complete reports whether everything that was acknowledged has arrived.
func (u *user) complete() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	for stream, count := range u.expected {
		if len(u.received[stream]) < count {
			return false
		}
	}
	return true
}

// compare adds what was lost, repeated and reordered to result.
func (u *user) compare(result *Result) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for stream, count := range u.expected {
		times := make([]int, count)
		last := -1
		for _, number := range u.received[stream] {
			if number < count {
				times[number]++
			}
			if number < last {
				result.Reordered++
			}
			last = number
		}
		for _, n := range times {
			switch {
			case n == 0:
				result.Lost++
			case n > 1:
				result.Repeated++
			}
		}
	}
}

func (u *user) visit(ctx context.Context) {
	for ctx.Err() == nil {
		u.visits++
		life, cancel := context.WithTimeout(ctx, maxLife/2+rand.N(maxLife/2))
		if u.visits%4 == 0 {
			u.stream(life)
		} else {
			u.socket(life)
		}
		cancel()
		u.mark(ctx)
		wait(ctx, rand.N(maxAway))
	}
}

// socket reads from a WebSocket until ctx ends or the service closes it, and then marks by a command.
func (u *user) socket(ctx context.Context) {
	header, query := http.Header{}, "/ws?cursor="+u.cursor
	if ticket := u.ticket(ctx); ticket != "" {
		query += "&ticket=" + ticket
	} else {
		header.Set("Authorization", "Bearer "+u.keys.token(u.name, ""))
	}
	c, answer, err := websocket.Dial(ctx, u.url("ws", query), &websocket.DialOptions{HTTPHeader: header, HTTPClient: u.http})
	if err != nil {
		if answer != nil && answer.Body != nil {
			_ = answer.Body.Close()
		}
		return
	}
	defer c.CloseNow()
	c.SetReadLimit(1 << 20)
	u.connections.Add(1)
	half := time.AfterFunc(maxLife/4, func() {
		if c.Write(ctx, websocket.MessageText, []byte(`{"event":"seen","data":{"all":true}}`)) == nil {
			u.marks.Add(1)
		}
	})
	defer half.Stop()
	isLive := false
	for {
		_, b, err := c.Read(ctx)
		if err != nil {
			return
		}
		var f struct {
			Event, Cursor string
			Data          json.RawMessage
		}
		if json.Unmarshal(b, &f) != nil {
			return
		}
		isLive = u.handle(f.Event, f.Cursor, f.Data, isLive)
	}
}

// ticket returns a ticket every second time, and otherwise nothing.
func (u *user) ticket(ctx context.Context) string {
	if u.visits%2 == 0 {
		return ""
	}
	var issued struct{ Ticket string }
	if body, ok := u.post(ctx, "/tickets", "{}"); !ok || json.Unmarshal(body, &issued) != nil {
		return ""
	}
	return issued.Ticket
}

// stream reads from an event stream.
func (u *user) stream(ctx context.Context) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.url("http", "/events?cursor="+u.cursor), http.NoBody)
	if err != nil {
		return
	}
	request.Header.Set("Authorization", "Bearer "+u.keys.token(u.name, ""))
	answer, err := (&http.Client{Transport: u.http.Transport}).Do(request)
	if err != nil {
		return
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return
	}
	u.connections.Add(1)
	u.events(answer.Body)
}

// mark marks what was received: read, archived or seen in turn.
func (u *user) mark(ctx context.Context) {
	verb := []string{"read", "archive", "seen"}[u.visits%3]
	if u.cursor == "earliest" {
		return
	}
	if _, ok := u.post(ctx, "/inbox/"+verb, `{"through":"`+u.cursor+`"}`); ok {
		u.marks.Add(1)
	}
}

func (u *user) post(ctx context.Context, path, body string) ([]byte, bool) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, u.url("http", path), bytes.NewReader([]byte(body)))
	if err != nil {
		return nil, false
	}
	request.Header.Set("Authorization", "Bearer "+u.keys.token(u.name, ""))
	request.Header.Set("Content-Type", "application/json")
	answer, err := u.http.Do(request)
	if err != nil {
		return nil, false
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	return b, err == nil && answer.StatusCode < http.StatusBadRequest
}

// handle notes an event, and returns whether the connection has caught up. Only then does the time
// until a notification arrives say something about the service.
func (u *user) handle(event, cursor string, data []byte, isLive bool) bool {
	if cursor != "" {
		u.cursor = cursor
	}
	switch event {
	case "live":
		return true
	case "reset":
		u.resets.Add(1)
	case "notification":
		var n struct {
			ID, Type, Title string
			Data            struct{ At int64 }
		}
		if json.Unmarshal(data, &n) != nil {
			return isLive
		}
		if isLive {
			u.latencies.record(time.Since(time.Unix(0, n.Data.At)))
		}
		number, err := strconv.Atoi(n.Title)
		stream := strings.TrimPrefix(n.Type, "soak.")
		u.mu.Lock()
		defer u.mu.Unlock()
		if err == nil && !u.ids[n.ID] {
			u.ids[n.ID] = true
			u.received[stream] = append(u.received[stream], number)
		}
	}
	return isLive
}
