package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/notify"
)

// ticket returns a ticket for the bearer of a token.
func (s *service) ticket(token string) string {
	s.t.Helper()
	a := s.do("POST", "/tickets", "", "Authorization", "Bearer "+token)
	require.Equal(s.t, http.StatusCreated, a.StatusCode, "%s", a.body)
	ticket, _ := a.json(s.t)["ticket"].(string)
	return ticket
}

func TestTicketIsValidOnce(t *testing.T) {
	s := start(t)
	ticket := s.ticket(token(t, "ada"))
	l := s.listen("?ticket="+ticket, "")
	assert.Equal(t, "welcome", l.next().event)
	a := s.do("GET", "/events?ticket="+ticket, "")
	assert.Equal(t, "token-invalid", a.problem(t))

	kept := s.ticket(token(t, "ada"))
	s.restart()
	assert.Equal(t, "welcome", s.listen("?ticket="+kept, "").next().event, "a ticket survives a restart")
}

// admin returns the token of an operator.
func admin(t *testing.T) string { return token(t, "root", notify.ScopeAdmin) }

func (s *service) revoke(body string) {
	s.t.Helper()
	a := s.do("POST", "/revocations", body, "Authorization", "Bearer "+admin(s.t))
	require.Equal(s.t, http.StatusNoContent, a.StatusCode, "%s", a.body)
}

func TestRevokedTokenIsRefusedAfterRestarts(t *testing.T) {
	s := start(t)
	stolen := token(t, "ada")
	open, grace := s.connectWith(stolen, ""), s.live("grace")
	stream := s.listen("", stolen)
	ticket := s.ticket(stolen)

	s.revoke(`{"user":"ada","issued_before":"` + time.Now().Add(time.Second).UTC().Format(time.RFC3339) + `"}`)
	code, reason, event := open.closed()
	assert.Equal(t, 4403, code)
	assert.Equal(t, "token-revoked", reason)
	assert.Equal(t, false, event.Data["reconnect"])
	assert.Equal(t, "close", stream.last().event)

	for range 2 {
		_, resp, err := s.dial(stolen, "")
		refused(t, resp, err, http.StatusUnauthorized)
		assert.Equal(t, `Bearer error="invalid_token"`, resp.Header.Get("WWW-Authenticate"))
		a := s.do("POST", "/tickets", "", "Authorization", "Bearer "+stolen)
		assert.Equal(t, "token-revoked", a.problem(t))
		if ticket != "" {
			assert.Equal(t, "token-revoked", s.do("GET", "/events?ticket="+ticket, "").problem(t))
			ticket = ""
		}
		s.publish("for others", "grace")
		grace.expect("for others")
		grace.drop()
		s.restart()
		grace = s.live("grace")
	}
}

func TestOperatorListsAndClosesConnections(t *testing.T) {
	s := start(t)
	ada, stream := s.live("ada"), s.listen("", token(t, "ada"))
	stream.next()
	grace := s.live("grace")
	asAdmin := []string{"Authorization", "Bearer " + admin(t)}
	all, _ := s.do("GET", "/users/ada/connections", "", asAdmin...).json(t)["connections"].([]any)
	require.Len(t, all, 2)
	for i, transport := range []string{"websocket", "events"} {
		c, _ := all[i].(map[string]any)
		assert.Equal(t, transport, c["transport"])
		assert.Equal(t, "127.0.0.1", c["address"])
		assert.NotEmpty(t, c["node"])
	}
	assert.Equal(t, "scope", s.do("DELETE", "/users/ada/connections", "", "Authorization", "Bearer "+backend(t)).problem(t))

	require.Equal(t, http.StatusNoContent, s.do("DELETE", "/users/ada/connections", "", asAdmin...).StatusCode)
	code, _, event := ada.closed()
	assert.Equal(t, 4410, code)
	assert.Equal(t, true, event.Data["reconnect"])
	assert.Equal(t, "close", stream.last().event)
	s.publish("still there", "grace")
	grace.expect("still there")
}

func TestRefreshedConnectionOutlivesItsFirstToken(t *testing.T) {
	s := start(t)
	soon := time.Now().Add(-notify.Leeway + 4*time.Second) // including the leeway: in 4 seconds
	c := s.connectWith(sign(t, auth.Claims{User: "ada", Expires: soon}), "")
	c.expect("live")
	other := s.connectWith(sign(t, auth.Claims{User: "grace", Expires: soon}), "")
	c.send(`{"event":"refresh","ref":"1","data":{"token":"` + token(t, "ada", notify.ScopePublish) + `"}}`)
	f := c.read()
	require.Equal(t, "reply", f.Event, "%v", f)
	assert.InDelta(t, 3600, f.Data["expires_in"], 60)
	c.send(`{"event":"publish","ref":"2","data":{"to":{"users":["ada"]},"type":"t","title":"with the new scope"}}`)
	c.expectInAnyOrder("reply", "with the new scope")
	c.send(`{"event":"refresh","ref":"3","data":{"token":"none"}}`)
	assert.Equal(t, "urn:bellhop:problem:token-invalid", c.read().text("type"))

	code, _, _ := other.closed()
	require.Equal(t, 4401, code, "the first token has expired by now")
	s.publish("still there", "ada")
	c.expect("still there")
	c.send(`{"event":"refresh","data":{"token":"` + token(t, "grace") + `"}}`)
	code, reason, _ := c.closed()
	assert.Equal(t, 4403, code)
	assert.Equal(t, "token-of-another-user", reason)
}

// expectInAnyOrder is expect for frames whose order is not specified.
func (c *connection) expectInAnyOrder(words ...string) {
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
	require.ElementsMatch(c.s.t, words, got)
}

func TestAPIKeyIsValidUntilRemovedFromTheFile(t *testing.T) {
	key, entry, err := auth.NewAPIKey("billing", []notify.Scope{notify.ScopePublish})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "keys.yaml")
	require.NoError(t, os.WriteFile(file, []byte(entry), 0o600))
	s := start(t, func(c *config.Config) { c.APIKeysFile = file })
	bearer := []string{"Authorization", "Bearer " + key}

	assert.Equal(t, http.StatusAccepted, s.do("POST", "/notify", draft(t, "x", "ada"), bearer...).StatusCode)
	assert.Equal(t, "scope", s.do("POST", "/notify", draft(t, "x"), bearer...).problem(t))
	assert.Equal(t, "scope", s.do("POST", "/tickets", "", bearer...).problem(t))
	_, resp, err := s.dial(key, "")
	refused(t, resp, err, http.StatusUnauthorized)

	require.NoError(t, os.WriteFile(file, []byte("[]"), 0o600))
	assert.Eventually(t, func() bool {
		return s.do("POST", "/notify", draft(t, "x", "ada"), bearer...).StatusCode == http.StatusUnauthorized
	}, timeout, 50*time.Millisecond)
}

func TestWebhookPublishes(t *testing.T) {
	const old, fresh = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	file := filepath.Join(t.TempDir(), "webhooks.yaml")
	require.NoError(t, os.WriteFile(file, []byte("- {name: shop, secrets: ["+old+", "+fresh+"], scopes: [notify:publish]}\n"), 0o600))
	s := start(t, func(c *config.Config) { c.WebhooksFile = file })
	ada := s.live("ada")
	send := func(secret, id, body string, at time.Time) response {
		w, err := standardwebhooks.NewWebhook(secret)
		require.NoError(t, err)
		signature, err := w.Sign(id, at, []byte(body))
		require.NoError(t, err)
		return s.do("POST", "/notify", body,
			"webhook-id", id, "webhook-timestamp", strconv.FormatInt(at.Unix(), 10), "webhook-signature", signature)
	}
	now := time.Now()
	first := send(old, "msg_1", draft(t, "one", "ada"), now)
	require.Equal(t, http.StatusAccepted, first.StatusCode, "%s", first.body)
	again := send(fresh, "msg_1", draft(t, "one", "ada"), now.Add(time.Minute)).json(t)
	assert.Equal(t, true, again["duplicate"])
	assert.Equal(t, first.json(t)["id"], again["id"])
	assert.Equal(t, "key-reused", send(old, "msg_1", draft(t, "other", "ada"), now).problem(t))
	assert.Equal(t, "token-invalid", send(old, "msg_2", draft(t, "late", "ada"), now.Add(-6*time.Minute)).problem(t))
	assert.Equal(t, "token-invalid", send("whsec_"+old[10:]+"abcd", "msg_3", draft(t, "forged", "ada"), now).problem(t))
	assert.Equal(t, "scope", send(old, "msg_4", draft(t, "to all"), now).problem(t))
	s.publish("two", "ada")
	ada.expect("one", "two")
}

func TestLimitHeaders(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Broadcasts, c.Requests = 1, 1000 })
	s.onOneNode(ownRates)
	assert.Equal(t, http.StatusAccepted, s.post("/notify", draft(t, "one")).StatusCode)
	a := s.post("/notify", draft(t, "two"))
	assert.Equal(t, "limit", a.problem(t))
	assert.Equal(t, `"broadcasts";q=1;w=1`, a.Header.Get("RateLimit-Policy"))
	assert.Equal(t, `"broadcasts";r=0;t=1`, a.Header.Get("RateLimit"))
	assert.Equal(t, "1", a.Header.Get("Retry-After"))
	assert.Equal(t, http.StatusAccepted, s.post("/notify", draft(t, "to one", "ada")).StatusCode, "another limit")
}
