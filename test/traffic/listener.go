package traffic

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// silence is the time after which a listener gives up a silent connection. The service sends a
// comment every 25 seconds on an idle one, and these are not idle.
const silence = 5 * time.Second

// listener receives the notifications of a user over the event stream. It resumes from its last
// cursor at the next node whenever its connection ends.
type listener struct {
	user, token string
	turn        int

	mu       sync.Mutex
	cursor   string
	received []string             // titles of numbered notifications in order, without repetitions by ID
	arrived  []time.Time          // when each of these did
	times    map[string]int       // for which each ID arrived
	first    map[string]time.Time // when each deferred one arrived first
	released time.Time            // of the last deferred notification, by the service
	resets   int
}

// run listens until ctx ends.
func (s *listener) run(ctx context.Context, l *Load) {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for ctx.Err() == nil {
		s.turn++
		s.listen(ctx, client, l.url(s.turn), l.o.Life)
		<-time.After(retry)
	}
}

// listen reads one event stream until it ends, or until a time between half of life and life.
func (s *listener) listen(ctx context.Context, client *http.Client, url string, life time.Duration) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if life > 0 {
		end := time.AfterFunc(life/2+rand.N(life/2), cancel)
		defer end.Stop()
	}
	idle := time.AfterFunc(silence, cancel)
	defer idle.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/events?cursor="+s.at(), http.NoBody)
	if err != nil {
		return
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	resp, err := client.Do(req)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	var event, id string
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(make([]byte, 0, 64<<10), 1<<20)
	for lines.Scan() {
		idle.Reset(silence)
		name, value, _ := bytes.Cut(lines.Bytes(), []byte(": "))
		switch string(name) {
		case "event":
			event = string(value)
		case "id":
			id = string(value)
		case "data":
			s.handle(event, id, value)
		}
	}
}

func (s *listener) at() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cursor
}

func (s *listener) handle(event, cursor string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cursor != "" {
		s.cursor = cursor
	}
	switch event {
	case "reset":
		s.resets++
	case "notification":
		var n struct {
			ID, Type, Title string
			Time            time.Time
		}
		if json.Unmarshal(data, &n) != nil {
			return
		}
		s.times[n.ID]++
		if s.times[n.ID] > 1 {
			return
		}
		switch n.Type {
		case plain:
			s.received, s.arrived = append(s.received, n.Title), append(s.arrived, time.Now())
		case deferred:
			s.first[n.ID], s.released = time.Now(), n.Time
		}
	}
}

func (s *listener) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.received)
}

// has reports whether the listener has received a notification.
func (s *listener) has(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.times[id] > 0
}

// lastReleased returns when the last deferred notification that arrived was released.
func (s *listener) lastReleased() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.released
}
