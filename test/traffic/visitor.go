package traffic

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// Of what a visitor does.
const (
	visitEvery   = 300 * time.Millisecond // between two rounds
	visitTimeout = 3 * time.Second        // of a request
	shortest     = time.Second            // until a deferred notification is due
	longest      = 4 * time.Second
	shortLife    = 1                // in seconds, of a notification that expires
	ticketLife   = 25 * time.Second // less than that of a ticket
	tokenAge     = 2 * time.Second  // of a token that is revoked: its iat is in whole seconds
)

// Types of notifications.
const (
	plain     = "n" // of a publisher, numbered
	deferred  = "deferred"
	expiring  = "expiring"
	ephemeral = "ephemeral"
	marked    = "marked" // as read
)

// visitor does for one user what publishers and listeners do not: it publishes deferred, expiring
// and ephemeral notifications, marks notifications as read, uses tickets, and revokes tokens. Each
// request goes to the next node. One that must be answered is repeated until it is.
type visitor struct {
	l                     *Load
	user                  string
	token, backend, admin string
	client                *http.Client
	turn, round           int

	due      map[string]time.Time // acknowledged deferred notifications, by ID
	expires  []string             // IDs of expiring ones
	fleeting []string             // IDs of ephemeral ones
	read     []string             // IDs of those whose mark was acknowledged
	revoked  []string             // tokens
	tickets  int                  // that were used
	broken   []string             // guarantees, in words

	doomed struct { // the user whose token is revoked next
		name, token string
		made        time.Time
	}
}

func newVisitor(l *Load, user string, turn int) *visitor {
	return &visitor{
		l: l, user: user, turn: turn, due: map[string]time.Time{}, client: &http.Client{Transport: l.client.Transport, Timeout: visitTimeout},
		token: l.o.Token(user), backend: l.o.Token("backend", notify.ScopePublish), admin: l.o.Token("operator", notify.ScopeAdmin),
	}
}

// run makes rounds until ctx ends.
func (v *visitor) run(ctx context.Context) {
	for ctx.Err() == nil {
		v.visit(ctx)
		<-time.After(visitEvery)
	}
}

func (v *visitor) visit(ctx context.Context) {
	v.round++
	at := time.Now().Add(shortest + rand.N(longest-shortest)).Round(time.Millisecond)
	if id := v.publish(ctx, deferred, fmt.Sprintf(`,"deliver_at":%q`, at.Format(time.RFC3339Nano))); id != "" {
		v.due[id] = at
	}
	if id := v.publish(ctx, expiring, fmt.Sprintf(`,"ttl":%d`, shortLife)); id != "" {
		v.expires = append(v.expires, id)
	}
	if id := v.publish(ctx, ephemeral, `,"ephemeral":true`); id != "" {
		v.fleeting = append(v.fleeting, id)
	}
	if id := v.publish(ctx, marked, ""); id != "" {
		if v.repeat(ctx, &request{method: http.MethodPost, path: "/inbox/read", token: v.token, body: fmt.Sprintf(`{"ids":[%q]}`, id)}) {
			v.read = append(v.read, id)
		}
	}
	v.useTicket()
	v.revoke(ctx)
}

// publish publishes a notification of a type, and returns its ID, empty if it was not acknowledged.
func (v *visitor) publish(ctx context.Context, kind, member string) (id string) {
	var receipt struct{ ID string }
	v.repeat(ctx, &request{
		method: http.MethodPost, path: "/notify", token: v.backend, into: &receipt, key: fmt.Sprint(v.user, "-", kind, "-", v.round),
		body: fmt.Sprintf(`{"to":{"users":[%q]},"type":%q,"title":"%d"%s}`, v.user, kind, v.round, member),
	})
	return receipt.ID
}

// useTicket gets a ticket from one node, and uses it on each. Exactly one may accept it. A request
// that failed may have used it up.
func (v *visitor) useTicket() {
	var answer struct{ Ticket string }
	if _, err := v.ask(v.next(), &request{method: http.MethodPost, path: "/tickets", token: v.token, body: "{}", into: &answer}); err != nil {
		return // while something fails
	}
	got, accepted, uncertain := time.Now(), 0, false
	for range v.l.o.URLs() {
		switch status, err := v.ask(v.next(), &request{method: http.MethodGet, path: "/events?ticket=" + answer.Ticket}); {
		case err == nil:
			accepted++
		case status != http.StatusUnauthorized:
			uncertain = true
		case accepted == 0 && !uncertain && time.Since(got) < ticketLife:
			v.breaks("a ticket that nobody had used was refused: %v", err)
			return
		}
	}
	v.tickets += min(accepted, 1)
	if accepted > 1 {
		v.breaks("a ticket was accepted %d times", accepted)
	}
}

// revoke revokes the token of a user who does nothing else, when it is old enough, and makes the
// next one.
func (v *visitor) revoke(ctx context.Context) {
	if v.doomed.token == "" {
		v.doomed.name, v.doomed.made = fmt.Sprint(v.user, "-revoked-", v.round), time.Now()
		v.doomed.token = v.l.o.Token(v.doomed.name)
	}
	if time.Since(v.doomed.made) < tokenAge {
		return
	}
	if status, err := v.ask(v.next(), inboxOf(v.doomed.token, plain, "")); status == http.StatusUnauthorized {
		v.breaks("a token was refused that was not revoked: %v", err)
	}
	body := fmt.Sprintf(`{"user":%q,"issued_before":%q}`, v.doomed.name, time.Now().Format(time.RFC3339Nano))
	if v.repeat(ctx, &request{method: http.MethodPost, path: "/revocations", token: v.admin, body: body}) {
		v.revoked = append(v.revoked, v.doomed.token)
		v.doomed.token = ""
	}
}

func (v *visitor) breaks(format string, args ...any) {
	v.broken = append(v.broken, v.user+": "+fmt.Sprintf(format, args...))
}

// request is one to any node.
type request struct {
	method, path, token, body string
	key                       string // of idempotency
	into                      any    // of the answer; nil: nothing
}

// inboxOf lists the notifications of a type, from a place.
func inboxOf(token, kind, before string) *request {
	return &request{method: http.MethodGet, path: "/inbox?limit=100&type=" + kind + "&before=" + url.QueryEscape(before), token: token}
}

// next returns the base URL of the node whose turn it is.
func (v *visitor) next() string {
	v.turn++
	return v.l.url(v.turn)
}

// repeat makes a request until it succeeds, each time to the next node, unless the service does
// not recover.
func (v *visitor) repeat(ctx context.Context, r *request) (ok bool) {
	for begun := time.Now(); ctx.Err() == nil || !v.l.t.Failed() && time.Since(begun) < timeout; {
		status, err := v.ask(v.next(), r)
		switch {
		case err == nil:
			return true
		case status >= http.StatusBadRequest && status < http.StatusInternalServerError && status != http.StatusConflict:
			v.breaks("%v", err)
			return false
		}
		<-time.After(retry)
	}
	return false
}

// ask makes a request to one node. It returns an error unless it succeeds, with a status of 0 if
// there is no answer. Of a stream it reads nothing.
func (v *visitor) ask(node string, r *request) (status int, err error) {
	req, err := http.NewRequestWithContext(context.Background(), r.method, node+r.path, strings.NewReader(r.body))
	if err != nil {
		return 0, err
	}
	if r.token != "" {
		req.Header.Set("Authorization", "Bearer "+r.token)
	}
	if r.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.key != "" {
		req.Header.Set("Idempotency-Key", r.key)
	}
	resp, err := v.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.Header.Get("Content-Type") == "text/event-stream" {
		return resp.StatusCode, nil
	}
	text, err := io.ReadAll(resp.Body)
	switch {
	case resp.StatusCode >= http.StatusBadRequest:
		return resp.StatusCode, fmt.Errorf("%s %s: %s: %s", r.method, r.path, resp.Status, text)
	case err != nil:
		return 0, err
	case r.into == nil:
		return resp.StatusCode, nil
	}
	return resp.StatusCode, json.Unmarshal(text, r.into)
}

// inbox returns the notifications of a type in the user's inbox on a node: by ID, whether each is
// read.
func (v *visitor) inbox(node, kind string) (read map[string]bool, err error) {
	read = map[string]bool{}
	for before := ""; ; {
		var page struct {
			Items []struct {
				ID   string
				Read *string `json:"read_at"`
			}
			Next string
		}
		r := inboxOf(v.token, kind, before)
		r.into = &page
		if _, err := v.ask(node, r); err != nil {
			return nil, err
		}
		for _, n := range page.Items {
			read[n.ID] = n.Read != nil
		}
		if before = page.Next; before == "" {
			return read, nil
		}
	}
}
