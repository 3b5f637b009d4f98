package cluster

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// users is the number of users. Each has a publisher and a listener, which use any node.
const users = 6

// between is the pause of a publisher between two notifications.
const between = 5 * time.Millisecond

// load is publishers and listeners that use all nodes while something fails.
type load struct {
	c      *cluster
	client *http.Client
	stop   context.CancelFunc
	pubs   []*publisher

	publishing, listening sync.WaitGroup
	subs                  []*listener
}

// publisher publishes numbered notifications to one user, each until it is acknowledged. Every
// attempt goes to the next node, with the same idempotency key.
type publisher struct {
	user  string
	token string
	turn  int

	acknowledged []string // IDs in the order of their numbers
	refused      int      // attempts that failed
}

// listener receives the notifications of a user over the event stream. It resumes from its last
// cursor at the next node whenever its connection ends.
type listener struct {
	user, token string
	turn        int

	mu       sync.Mutex
	cursor   string
	received []string // numbers in order, without repetitions by ID
	ids      map[string]bool
	repeated int // IDs that arrived again
	resets   int
}

// startLoad starts publishers and listeners for users whose names begin with prefix, which no
// other load of the cluster has.
func (c *cluster) startLoad(prefix string) *load {
	c.t.Helper()
	ctx, stop := context.WithCancel(c.t.Context())
	l := &load{c: c, client: &http.Client{Timeout: 20 * time.Second}, stop: stop}
	listening, endListening := context.WithCancel(context.WithoutCancel(ctx))
	c.t.Cleanup(endListening)
	for i := range users {
		name := fmt.Sprint(prefix, "-", i)
		p := &publisher{user: name, token: token(c.t, "backend", notify.ScopePublish), turn: i}
		s := &listener{user: name, token: token(c.t, name), turn: i + 1, cursor: "earliest", ids: map[string]bool{}}
		l.pubs, l.subs = append(l.pubs, p), append(l.subs, s)
		l.publishing.Go(func() { p.run(ctx, l) })
		l.listening.Go(func() { s.run(listening, c) })
	}
	l.stop = func() {
		stop()
		l.publishing.Wait()
		l.drain()
		endListening()
		l.listening.Wait()
	}
	return l
}

// run publishes until ctx ends. A notification that was begun is published to the end.
func (p *publisher) run(ctx context.Context, l *load) {
	for ctx.Err() == nil {
		number := len(p.acknowledged)
		for {
			p.turn++
			id, err := p.attempt(l, number)
			if err == nil {
				p.acknowledged = append(p.acknowledged, id)
				break
			}
			p.refused++
			<-time.After(50 * time.Millisecond)
		}
		<-time.After(between)
	}
}

func (p *publisher) attempt(l *load, number int) (id string, err error) {
	n := l.c.nodes[p.turn%len(l.c.nodes)]
	body := fmt.Sprintf(`{"to":{"users":[%q]},"type":"n","title":"%d"}`, p.user, number)
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://"+n.public+"/notify", strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+p.token)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", p.user+"-"+strconv.Itoa(number))
	resp, err := l.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	var receipt struct{ ID string }
	if resp.StatusCode != http.StatusAccepted {
		return "", fmt.Errorf("%s: %s", resp.Status, text)
	}
	return receipt.ID, errors.Join(json.Unmarshal(text, &receipt))
}

// run listens until ctx ends.
func (s *listener) run(ctx context.Context, c *cluster) {
	for ctx.Err() == nil {
		s.turn++
		s.listen(ctx, c.nodes[s.turn%len(c.nodes)])
		<-time.After(50 * time.Millisecond)
	}
}

// silence is the time after which a listener gives up a silent connection. The service sends a
// comment every 25 seconds on an idle one, and these are not idle.
const silence = 5 * time.Second

// listen reads one event stream until it ends.
func (s *listener) listen(ctx context.Context, n *process) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	idle := time.AfterFunc(silence, cancel)
	defer idle.Stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.public+"/events?cursor="+s.at(), http.NoBody)
	if err != nil {
		return
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	resp, err := http.DefaultClient.Do(req)
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
		var n struct{ ID, Title string }
		if json.Unmarshal(data, &n) != nil {
			return
		}
		if s.ids[n.ID] {
			s.repeated++
			return
		}
		s.ids[n.ID] = true
		s.received = append(s.received, n.Title)
	}
}

func (s *listener) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.received)
}

// drain waits until every listener has as many notifications as were acknowledged. After a
// while it returns even so: compare reports what is missing.
func (l *load) drain() {
	deadline := time.Now().Add(timeout)
	for i, p := range l.pubs {
		for l.subs[i].count() < len(p.acknowledged) && time.Now().Before(deadline) {
			<-time.After(50 * time.Millisecond)
		}
	}
}

// outcome compares what was acknowledged with what arrived.
type outcome struct {
	acknowledged, refused                int
	lost, repeated, reordered, announced int
}

// compare must be called after stop.
func (l *load) compare() (o outcome) {
	for i, p := range l.pubs {
		s := l.subs[i]
		o.acknowledged += len(p.acknowledged)
		o.refused += p.refused
		o.announced += s.resets
		got := map[string]int{}
		last := -1
		for _, title := range s.received {
			got[title]++
			number, _ := strconv.Atoi(title)
			if number < last {
				o.reordered++
			}
			last = max(last, number)
		}
		for number, id := range p.acknowledged {
			switch n := got[strconv.Itoa(number)]; {
			case n == 0 || !s.ids[id]:
				o.lost++
			case n > 1: // two notifications with different IDs for one idempotency key
				o.repeated += n - 1
			}
		}
	}
	return o
}

// grows waits until every listener has received more.
func (l *load) grows(t *testing.T) {
	t.Helper()
	before := make([]int, len(l.subs))
	for i, s := range l.subs {
		before[i] = s.count()
	}
	require.Eventually(t, func() bool {
		for i, s := range l.subs {
			if s.count() < before[i]+20 {
				return false
			}
		}
		return true
	}, timeout, 20*time.Millisecond, "notifications do not arrive any more")
}
