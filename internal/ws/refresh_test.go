package ws_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// gate is a Verifier.
type gate struct {
	mu      sync.Mutex
	tokens  map[string]notify.Principal
	refused map[string]error
	between func() // after the first look at a token
	looks   int
}

func (g *gate) Verify(_ context.Context, token string) (notify.Principal, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.refused[token]; err != nil {
		return notify.Principal{}, err
	}
	p, known := g.tokens[token]
	if !known {
		return p, notify.Errorf(notify.ErrTokenInvalid, "no key has signed it")
	}
	if g.looks++; g.looks == 1 && g.between != nil {
		g.between()
	}
	return p, nil
}

func newGate() *gate {
	return &gate{tokens: map[string]notify.Principal{
		"good":    {User: "ada", Name: "user:ada", Expires: time.Now().Add(time.Hour), TokenID: "2"},
		"other":   {User: "grace", Name: "user:grace", Expires: time.Now().Add(time.Hour)},
		"key":     {Name: "key:billing", Scopes: []notify.Scope{notify.ScopeAdmin}},
		"forever": {User: "ada", Name: "user:ada"},
	}, refused: map[string]error{
		"expired": notify.Errorf(notify.ErrTokenExpired, "late"),
		"revoked": notify.Errorf(notify.ErrTokenRevoked, "gone"),
	}}
}

// into makes the gate the handler's, and has it log to lines.
func (g *gate) into(lines *lines) func(*options) {
	return func(o *options) {
		o.v1.Verifier, o.Logger = g, lines.logger()
		o.v1.Logger = o.Logger
	}
}

const publishing = `{"event":"publish","ref":"p","data":{"to":{"all":true},"type":"t"}}`

func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, newGate().into(new(lines)))
		w := s.pipe(t)
		w.expect(welcome, isLive)
		w.say(`{"event":"refresh","ref":"1","data":{"token":"good"}}`)
		w.expect(`{"event":"reply","ref":"1","data":{"expires_in":3600,"topics":[]}}`)
		w.say(publishing) // its scopes are those of the new token
		if _, payload, _ := w.read(); !strings.Contains(string(payload), `"urn:bellhop:problem:scope"`) {
			t.Errorf("received %s", payload)
		}
		w.say(`{"event":"refresh","ref":"2","data":{"token":"forever"}}`)
		w.expect(`{"event":"reply","ref":"2","data":{"topics":[]}}`)
		w.say(`{"event":"refresh","ref":"3","data":{"token":"good"}}`)
		w.expect(`{"event":"reply","ref":"3","data":{"expires_in":3600,"topics":[]}}`)
		s.hub.Revoke(notify.Revocation{TokenID: "2"}) // it goes by the new token
		w.expectEnd(4403, "token-revoked")
	})
}

func TestBadTokensAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ data, kind, also string }{
		"invalid":        {`{"token":"SECRET"}`, "token-invalid", ""},
		"expired":        {`{"token":"expired"}`, "token-expired", ""},
		"revoked":        {`{"token":"revoked"}`, "token-revoked", ""},
		"no token":       {`{}`, "invalid", `"pointer":"/data/token"`},
		"empty":          {`{"token":""}`, "invalid", `"pointer":"/data/token"`},
		"null":           {`{"token":null}`, "invalid", `"pointer":"/data/token"`},
		"no string":      {`{"token":["SECRET"]}`, "invalid", `"pointer":"/data/token"`},
		"unknown member": {`{"token":"SECRET","user":"ada"}`, "invalid", `"pointer":"/data/user"`},
		"no data":        {`null`, "invalid", `"pointer":"/data"`},
		"no object":      {`"SECRET"`, "invalid", `"pointer":"/data"`},
		"two tokens":     {`{"token":"SECRET","token":"SECRET"}`, "malformed", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log lines
				w := start(t, newGate().into(&log)).pipe(t)
				w.expect(welcome, isLive)
				w.say(`{"event":"refresh","ref":"r","data":` + c.data + `}`)
				_, payload, err := w.read()
				if err != nil {
					t.Fatal(err)
				}
				got := string(payload)
				if !strings.HasPrefix(got, `{"event":"error","ref":"r",`) || !strings.Contains(got, "problem:"+c.kind+`"`) ||
					!strings.Contains(got, c.also) || strings.Contains(got+log.String(), "SECRET") {
					t.Errorf("received %s, logged %s", got, log.String())
				}
				w.say(publishing) // nothing has changed
				w.expect(`{"event":"reply","ref":"p","data":{"id":"","duplicate":false}}`)
			})
		})
	}
}

func TestTokenOfAnotherUserEndsTheConnection(t *testing.T) {
	for _, token := range []string{"other", "key"} {
		t.Run(token, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t, newGate().into(new(lines))).pipe(t)
				w.expect(welcome, isLive)
				w.say(`{"event":"refresh","ref":"1","data":{"token":"` + token + `"}}`)
				w.expectEnd(4403, "token-of-another-user")
			})
		})
	}
}

// A revocation that is applied while a token is looked at finds the old one.
func TestRevocationDuringARefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		s := start(t, g.into(new(lines)))
		g.between = func() {
			g.refused["good"] = notify.Errorf(notify.ErrTokenRevoked, "gone")
			s.hub.Revoke(notify.Revocation{TokenID: "2"})
		}
		w := s.pipe(t)
		w.expect(welcome, isLive)
		w.say(`{"event":"refresh","ref":"1","data":{"token":"good"}}`)
		w.expectEnd(4403, "token-revoked")
	})
}

func TestRefreshesAreCommandsToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, newGate().into(new(lines)), func(o *options) { o.Commands = 2 }).pipe(t)
		w.expect(welcome, isLive)
		for range 2 {
			w.say(`{"event":"refresh","data":{"token":"good"}}`)
			w.expect(`{"event":"reply","data":{"expires_in":3600,"topics":[]}}`)
		}
		go w.say(`{"event":"refresh","data":{"token":"good"}}`)
		w.expectEnd(4429, "too-many-commands")
	})
}

func TestNoVerifierNoRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t).pipe(t)
		w.expect(welcome, isLive)
		w.say(`{"event":"refresh","data":{"token":"good"}}`)
		if _, payload, _ := w.read(); !strings.Contains(string(payload), `"status":503`) {
			t.Errorf("received %s", payload)
		}
	})
}

// An issuer that is withdrawn while its token is verified: the code that ends its
// connections finds this one with the old token.
func TestIssuerWithdrawnDuringARefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		withdrawn := &notify.Issuer{Name: "one"}
		g.tokens["good"] = notify.Principal{User: "ada", Name: "user:ada", Issuer: withdrawn}
		g.between = func() { withdrawn.Withdraw(notify.CloseDisconnected) }
		w := start(t, g.into(new(lines))).pipe(t)
		w.expect(welcome, isLive)
		w.say(`{"event":"refresh","ref":"1","data":{"token":"good"}}`)
		w.expectEnd(4410, "disconnected")
	})
}

func TestRefreshAnswersWithTheTopicsInForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		g.tokens["good"] = notify.Principal{User: "ada", Name: "user:ada", Topics: []notify.TopicPattern{"news", "a.*"}, TopicsIgnored: 3}
		w := start(t, g.into(new(lines))).pipe(t)
		w.expect(welcome, isLive)
		w.say(`{"event":"refresh","data":{"token":"good"}}`)
		w.expect(`{"event":"reply","data":{"topics":["news","a.*"],"topics_ignored":3}}`)
	})
}
