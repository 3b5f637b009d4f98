package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
)

// traffic is the simulated traffic of a demo, so that the console has something to show: users who
// come, read and leave, a backend that publishes to them at a varying rate, an operator, and callers
// who make mistakes. It has its own users and topics, and publishes nothing to everyone, so that the
// users of the demo page do not see it.
type traffic struct {
	url    string // of the service
	secret []byte
	http   *http.Client
}

func newTraffic(url string, secret []byte) *traffic {
	return &traffic{url: url, secret: secret, http: &http.Client{Transport: &http.Transport{}, Timeout: requestTimeout}}
}

// The topics of the simulated users: each has one or both.
const (
	topicBuilds = "simulated.builds"
	topicOnCall = "simulated.on-call"
)

// simulatedUsers returns the simulated users.
func simulatedUsers() []notify.UserID {
	return []notify.UserID{"annie", "barbara", "dorothy", "edith", "frances", "hedy", "joan", "katherine", "margaret", "mary", "radia", "sophie"}
}

// run simulates the traffic until ctx ends.
func (f *traffic) run(ctx context.Context) {
	defer f.http.CloseIdleConnections()
	var all sync.WaitGroup
	defer all.Wait()
	for i, user := range simulatedUsers() {
		topics := []notify.TopicPattern{topicBuilds}
		if i%3 == 0 {
			topics = append(topics, topicOnCall)
		}
		v := &visitor{traffic: f, user: user, topics: topics, events: i%5 == 4}
		all.Go(func() { v.run(ctx) })
		if i%4 == 0 { // a second device
			other := *v
			all.Go(func() { other.run(ctx) })
		}
	}
	all.Go(func() { f.publish(ctx) })
	all.Go(func() { f.operate(ctx) })
	all.Go(func() { f.makeMistakes(ctx) })
}

// between returns a random time.
func between(least, most time.Duration) time.Duration {
	return least + rand.N(most-least) //nolint:gosec // not a secret
}

// anyOf returns a random item.
func anyOf[T any](items []T) T { return items[rand.IntN(len(items))] } //nolint:gosec // not a secret

func isOneIn(n int) bool { return rand.IntN(n) == 0 } //nolint:gosec // not a secret

// token signs a token, empty if it cannot be signed: the service then refuses the request.
func (f *traffic) token(user notify.UserID, topics []notify.TopicPattern, scopes ...notify.Scope) string {
	token, err := auth.Sign(f.secret, auth.Claims{User: user, Topics: topics, Scopes: scopes, TTL: time.Hour})
	if err != nil {
		return ""
	}
	return token
}

// ask sends a request, and returns the ID in the answer, empty if there is none. Failures belong to
// what is simulated: the console shows them.
func (f *traffic) ask(ctx context.Context, method, path, token string, body any, headers ...string) (id string) {
	content, err := json.Marshal(body)
	if err != nil {
		return ""
	}
	if body == nil {
		content = nil
	}
	r, err := http.NewRequestWithContext(ctx, method, f.url+path, bytes.NewReader(content))
	if err != nil {
		return ""
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := f.http.Do(r)
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	var receipt struct {
		ID string `json:"id"`
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil || json.Unmarshal(text, &receipt) != nil {
		return ""
	}
	return receipt.ID
}

// Periods of the rate of publishes, and its bounds per second.
const (
	longPeriod  = 2 * time.Minute
	shortPeriod = 37 * time.Second
	usualRate   = 5.0
	longSwing   = 3.0
	shortSwing  = 1.5
	burst       = 30 // publishes at once
)

// rateAt returns the rate of publishes after so much time.
func rateAt(after time.Duration) float64 {
	phase := func(period time.Duration) float64 { return math.Sin(2 * math.Pi * after.Seconds() / period.Seconds()) }
	return usualRate + longSwing*phase(longPeriod) + shortSwing*phase(shortPeriod)
}

// publish is the backend.
func (f *traffic) publish(ctx context.Context) {
	start := time.Now()
	for n := 0; ; n++ {
		pause := time.Duration(float64(time.Second) / rateAt(time.Since(start)))
		if sleep(ctx, between(pause/2, 3*pause/2)) != nil {
			return
		}
		times := 1
		if isOneIn(200) {
			times = burst
		}
		token := f.token("shop", nil, notify.ScopePublish)
		for range times {
			f.ask(ctx, http.MethodPost, "/notify", token, simulatedDraft(n))
		}
		if isOneIn(40) { // a request and its repetition
			key := "demo-" + strconv.Itoa(n)
			f.ask(ctx, http.MethodPost, "/notify", token, simulatedDraft(0), "Idempotency-Key", key)
			f.ask(ctx, http.MethodPost, "/notify", token, simulatedDraft(0), "Idempotency-Key", key)
		}
	}
}

// simulatedDraft returns the nth body for POST /notify.
func simulatedDraft(n int) map[string]any {
	users := simulatedUsers()
	user, other := users[n%len(users)], users[n*5%len(users)]
	to := func(kind string, names ...any) map[string]any { return map[string]any{kind: names} }
	switch n % 12 {
	case 1, 7:
		return map[string]any{"to": to("topics", topicBuilds), "type": "build.finished", "title": fmt.Sprintf("Build %d has passed", n)}
	case 2:
		return map[string]any{"to": to("users", user), "type": "typing", "ephemeral": true, "title": string(other) + " is typing"}
	case 3:
		return map[string]any{"to": to("users", user), "type": "order.shipped", "collapse_key": "order", "title": fmt.Sprintf("Order %d is on its way", n)}
	case 5:
		return map[string]any{"to": to("topics", topicOnCall), "type": "incident.opened", "priority": "high", "title": "The checkout is slow"}
	case 8:
		return map[string]any{
			"to": to("users", user), "type": "report.ready", "title": "The report of today is ready",
			"deliver_at": time.Now().Add(between(5*time.Second, 30*time.Second)).UTC().Format(time.RFC3339),
		}
	case 10:
		return map[string]any{"to": to("users", user, other), "type": "mention", "title": "You were mentioned", "body": "In the plan for the week"}
	default:
		return map[string]any{"to": to("users", user), "type": "comment.created", "title": string(other) + " commented"}
	}
}

// operate is an operator, who recalls a notification now and then and disconnects a user.
func (f *traffic) operate(ctx context.Context) {
	for sleep(ctx, between(10*time.Second, 40*time.Second)) == nil {
		token := f.token("operator", nil, notify.ScopeAdmin, notify.ScopePublish)
		if isOneIn(3) {
			f.ask(ctx, http.MethodDelete, "/users/"+string(anyOf(simulatedUsers()))+"/connections", token, nil)
			continue
		}
		id := f.ask(ctx, http.MethodPost, "/notify", token, simulatedDraft(0))
		if sleep(ctx, between(time.Second, 5*time.Second)) != nil {
			return
		}
		f.ask(ctx, http.MethodDelete, "/notifications/"+id, token, nil)
	}
}

// makeMistakes sends requests that are refused.
func (f *traffic) makeMistakes(ctx context.Context) {
	for sleep(ctx, between(time.Second, 8*time.Second)) == nil {
		switch rand.IntN(5) { //nolint:gosec // not a secret
		case 0:
			f.ask(ctx, http.MethodPost, "/notify", f.token("shop", nil, notify.ScopePublish), map[string]any{"type": "order.shipped"})
		case 1:
			f.ask(ctx, http.MethodGet, "/inbox", "", nil)
		case 2:
			f.ask(ctx, http.MethodPost, "/notify", f.token("annie", nil), simulatedDraft(0))
		case 3:
			f.ask(ctx, http.MethodGet, "/inbox?limit=1000", f.token("annie", nil), nil)
		default:
			f.ask(ctx, http.MethodGet, "/inbox", "not-a-token", nil)
		}
	}
}
