// Package traffic publishes to users and listens for them while a test makes something fail,
// and compares what was acknowledged with what arrived. Each user has one publisher and one
// listener. The publisher sends numbered notifications, each until it is acknowledged; the
// listener resumes from its last cursor whenever its connection ends. With a mixed load, each user
// also has a visitor, which does everything else.
package traffic

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// timeout bounds the wait for an event that must happen. Only a failing test waits this long.
const timeout = 90 * time.Second

// retry is the pause after an attempt that failed, and before a connection is opened again.
const retry = 50 * time.Millisecond

// Options describe a load.
type Options struct {
	Prefix  string        // of the users' names; no other load of the service has it
	Users   int           // each has a publisher and a listener
	Between time.Duration // the pause of a publisher between two notifications
	Life    time.Duration // after which a listener reconnects, although nothing failed; 0: never
	Mixed   bool          // each user also has a visitor; call RequireKept after Stop
	Unkeyed bool          // publish without idempotency keys, so that an attempt that fails is not repeated

	// URLs returns the base URLs of the nodes, such as http://127.0.0.1:8080. Each attempt uses
	// the next one. Any goroutine may call it.
	URLs func() []string

	// Token returns a token for a user.
	Token func(user string, scopes ...notify.Scope) string
}

// Load is publishers and listeners that use all nodes while something fails.
type Load struct {
	t      *testing.T
	o      Options
	client *http.Client // publishes
	stop   func()
	pubs   []*publisher
	subs   []*listener

	visitors []*visitor

	publishing, listening sync.WaitGroup
}

// Start starts the publishers and listeners. The end of the test stops them.
func Start(t *testing.T, o Options) *Load {
	t.Helper()
	publishing, endPublishing := context.WithCancel(t.Context())
	listening, endListening := context.WithCancel(context.WithoutCancel(publishing))
	transport := &http.Transport{MaxIdleConnsPerHost: o.Users}
	l := &Load{t: t, o: o, client: &http.Client{Transport: transport, Timeout: 20 * time.Second}}
	for i := range o.Users {
		name := fmt.Sprint(o.Prefix, "-", i)
		p := &publisher{user: name, token: o.Token("backend", notify.ScopePublish), turn: i}
		s := &listener{user: name, token: o.Token(name), turn: i + 1, cursor: "earliest", times: map[string]int{}, first: map[string]time.Time{}}
		l.pubs, l.subs = append(l.pubs, p), append(l.subs, s)
		l.publishing.Go(func() { p.run(publishing, l) })
		l.listening.Go(func() { s.run(listening, l) })
		if o.Mixed {
			v := newVisitor(l, name, i)
			l.visitors = append(l.visitors, v)
			l.publishing.Go(func() { v.run(publishing) })
		}
	}
	l.stop = sync.OnceFunc(func() {
		endPublishing()
		l.publishing.Wait()
		if !t.Failed() {
			l.drain()
		}
		endListening()
		l.listening.Wait()
		transport.CloseIdleConnections()
	})
	t.Cleanup(l.stop)
	return l
}

// url returns the base URL of the node whose turn it is.
func (l *Load) url(turn int) string {
	urls := l.o.URLs()
	return urls[turn%len(urls)]
}

// Stop ends the publishers, waits until the listeners have received the last notifications that
// were acknowledged, and ends them too.
func (l *Load) Stop() { l.stop() }

// Grows waits until every listener has received more.
func (l *Load) Grows(t *testing.T) {
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

// Released waits until every listener has received a deferred notification that was released a
// second after the call or later.
func (l *Load) Released(t *testing.T) {
	t.Helper()
	begun := time.Now().Add(time.Second)
	for _, s := range l.subs {
		require.Eventually(t, func() bool { return s.lastReleased().After(begun) }, timeout, 20*time.Millisecond, "no deferred notification arrives")
	}
}

// drain waits until every listener has the last notification that was acknowledged, and every
// deferred one. After a while it returns even so: Compare and RequireKept report what is missing.
func (l *Load) drain() {
	deadline := time.Now().Add(timeout)
	for i, p := range l.pubs {
		for len(p.acknowledged) > 0 && !l.subs[i].has(p.acknowledged[len(p.acknowledged)-1]) && time.Now().Before(deadline) {
			<-time.After(retry)
		}
	}
	for i, v := range l.visitors {
		for id := range v.due {
			for !l.subs[i].has(id) && time.Now().Before(deadline) {
				<-time.After(retry)
			}
		}
	}
}

// Outcome compares what was acknowledged with what arrived.
type Outcome struct {
	Acknowledged int // notifications
	Refused      int // attempts that failed; unless Unkeyed, each was made again

	Slowest time.Duration // the longest time until an attempt was answered, with any status

	Lost      int // acknowledged, and did not arrive
	Repeated  int // arrived with a second ID
	Reordered int // arrived after a later one
	Announced int // resets
}

// Compare must be called after Stop.
func (l *Load) Compare() (o Outcome) {
	for i, p := range l.pubs {
		s := l.subs[i]
		o.Acknowledged += len(p.acknowledged)
		o.Refused += p.refused
		o.Slowest = max(o.Slowest, p.slowest)
		o.Announced += s.resets
		got := map[string]int{}
		last := -1
		for _, title := range s.received {
			got[title]++
			number, _ := strconv.Atoi(title)
			if number < last {
				o.Reordered++
			}
			last = max(last, number)
		}
		for number, id := range p.acknowledged {
			switch n := got[strconv.Itoa(number)]; {
			case n == 0 || s.times[id] == 0:
				o.Lost++
			case n > 1: // two notifications with different IDs for one idempotency key
				o.Repeated += n - 1
			}
		}
	}
	return o
}
