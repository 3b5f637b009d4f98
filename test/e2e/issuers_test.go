package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/idp"
)

// tenant is an issuer of the issuers file and the key that signs its tokens.
type tenant struct {
	name   string
	key    idp.Key
	issuer *idp.Issuer
}

// newTenants returns three issuers whose different keys have the same kid.
func newTenants(t *testing.T) (acme, bank, shop tenant) {
	t.Helper()
	ring := idp.NewRing(t)
	of := func(name string, key idp.Key) tenant { return tenant{name, key, idp.New(t, idp.Set(key.JWK(nil)))} }
	return of("acme", ring.EC(0, "one")), of("bank", ring.EC(1, "one")), of("shop", ring.Ed("one"))
}

// entry returns the tenant's entry in the issuers file. Its users and topics are
// prefixed with its name, and its tokens may have every scope.
func (i tenant) entry() string {
	return fmt.Sprintf(`- issuer: %s
  jwks: %s
  audiences: [bellhop]
  user_prefix: "%s:"
  scopes: [notify:publish, notify:broadcast, notify:admin]
  topics: ["%s.*"]
`, i.issuer.URL, i.issuer.JWKS(), i.name, i.name)
}

// token signs a token for a user with every scope and the given topics.
func (i tenant) token(t *testing.T, user string, topics ...string) string {
	return i.key.Token(t, map[string]any{
		"iss": i.issuer.URL, "aud": "bellhop", "sub": user, "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(),
		"jti": "1", "scope": "notify:publish notify:broadcast notify:admin", "topics": topics,
	})
}

// startTenants starts a service with an issuers file and an API key that may act on
// all users. It returns the file and the header with that key.
func startTenants(t *testing.T, all ...tenant) (s *service, file string, asOperator []string) {
	t.Helper()
	key, entry, err := auth.NewAPIKey("ops", []notify.Scope{notify.ScopePublish, notify.ScopeBroadcast, notify.ScopeAdmin})
	require.NoError(t, err)
	keys := filepath.Join(t.TempDir(), "keys.yaml")
	require.NoError(t, os.WriteFile(keys, []byte(entry), 0o600))
	file = filepath.Join(t.TempDir(), "issuers.yaml")
	entries := ""
	for _, i := range all {
		entries += i.entry()
	}
	replaceFile(t, file, entries)
	s = start(t, func(c *config.Config) { c.JWTSecret, c.IssuersFile, c.APIKeysFile = nil, file, keys })
	return s, file, []string{"Authorization", "Bearer " + key}
}

// replaceFile replaces a file atomically, so that the service never reads half of it.
func replaceFile(t *testing.T, file, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(file+".new", []byte(content), 0o600))
	require.NoError(t, os.Rename(file+".new", file))
}

func bearer(token string) []string { return []string{"Authorization", "Bearer " + token} }

// TestIssuersCannotActOnOtherIssuersUsers tries every operation on the users of one
// issuer with tokens of another.
func TestIssuersCannotActOnOtherIssuersUsers(t *testing.T) {
	acme, bank, _ := newTenants(t)
	s, _, asOperator := startTenants(t, acme, bank)
	c := s.connectWith(acme.token(t, "42", "acme.news", "bank.news", "acme.*", "news"), "")
	c.expect("live")
	eve := s.connectWith(bank.token(t, "42", "acme.news", "*"), "") // the same sub and jti
	eve.expect("live")
	asEve := bearer(bank.token(t, "42", "acme.*"))
	publish := func(to string, as ...string) response {
		return s.do(http.MethodPost, "/notify", `{"to":`+to+`,"type":"t","title":"hello"}`, append(as, "Idempotency-Key", "k-"+to)...)
	}

	own := publish(`{"users":["acme:42"]}`, bearer(acme.token(t, "42"))...)
	require.Equal(t, http.StatusAccepted, own.StatusCode, "%s", own.body)
	c.expect("hello")
	id, _ := own.json(t)["id"].(string)
	for _, to := range []string{
		`{"users":["acme:42"]}`, `{"users":["acme:unknown"]}`, `{"users":["bank:42","42"]}`,
		`{"topics":["acme.news"]}`, `{"topics":["bank.news","news"]}`, `{"all":true}`,
	} {
		require.Equal(t, "scope", publish(to, asEve...).problem(t), to)
	}
	eve.send(`{"event":"publish","ref":"1","data":{"to":{"users":["acme:42"]},"type":"t"}}`)
	assert.Equal(t, "urn:bellhop:problem:scope", eve.read().text("type"))
	batch := s.do(http.MethodPost, "/notify/batch", `{"notifications":[{"to":{"users":["acme:42"]},"type":"t"},{"to":{"users":["bank:7"]},"type":"t"}]}`, asEve...)
	assert.Equal(t, []int{403, 202}, statuses(t, batch))

	for _, user := range []string{"acme:42", "acme:unknown", "42"} {
		assert.Equal(t, "scope", s.do(http.MethodGet, "/users/"+user+"/connections", "", asEve...).problem(t))
		assert.Equal(t, "scope", s.do(http.MethodDelete, "/users/"+user+"/connections", "", asEve...).problem(t))
	}
	now := time.Now().UTC().Format(time.RFC3339)
	assert.Equal(t, "scope", s.do(http.MethodPost, "/revocations", `{"user":"acme:42","issued_before":"`+now+`"}`, asEve...).problem(t))
	for _, issuer := range []string{acme.issuer.URL, "unknown"} {
		assert.Equal(t, "scope", s.do(http.MethodPost, "/revocations", `{"jti":"1","issuer":"`+issuer+`"}`, asEve...).problem(t))
	}
	for _, recalled := range []string{id, "0193a5e8-7f6b-7c3d-9a41-5f0e2b8d6c10"} {
		assert.Equal(t, "not-found", s.do(http.MethodDelete, "/notifications/"+recalled, "", asEve...).problem(t))
	}
	assert.Empty(t, s.do(http.MethodGet, "/inbox", "", asEve...).json(t)["items"], "users with the same sub have separate inboxes")

	// API keys may act on the users of every issuer.
	require.Equal(t, http.StatusAccepted, publish(`{"all":true}`, asOperator...).StatusCode)
	c.expect("hello")
	eve.expect("hello")
	require.Equal(t, http.StatusAccepted, publish(`{"topics":["acme.news"]}`, asOperator...).StatusCode)
	c.expect("hello")
	assert.Equal(t, "invalid", s.do(http.MethodPost, "/revocations", `{"jti":"1"}`, asOperator...).problem(t), "an API key must name the issuer of the jti")

	// A revocation by jti concerns tokens of the caller's own issuer.
	require.Equal(t, http.StatusNoContent, s.do(http.MethodPost, "/revocations", `{"jti":"1"}`, asEve...).StatusCode)
	code, _, _ := eve.closed()
	assert.Equal(t, 4403, code)
	require.Equal(t, http.StatusAccepted, publish(`{"users":["acme:42"]}`, asOperator...).StatusCode)
	c.expect("hello")
}

// TestWelcomeListsTheEffectiveTopics reads the welcome event on both transports and
// after connecting with a ticket.
func TestWelcomeListsTheEffectiveTopics(t *testing.T) {
	acme, _, _ := newTenants(t)
	s, _, _ := startTenants(t, acme)
	token := acme.token(t, "42", "acme.news", "bank.news", "a b", "acme.*")
	c, _, err := s.dial(token, "")
	require.NoError(t, err)
	f := c.read()
	assert.Equal(t, "acme:42", f.text("user"))
	assert.Equal(t, []any{"acme.news", "acme.*"}, f.Data["topics"])
	assert.EqualValues(t, 2, f.Data["topics_ignored"])
	for _, l := range []*listener{s.listen("", token), s.listen("?ticket="+s.ticket(token), "")} {
		assert.Contains(t, l.next().data, `"topics":["acme.news","acme.*"],"topics_ignored":2`)
	}
	c.expect("live")
	c.send(`{"event":"refresh","data":{"token":"` + acme.token(t, "42", "acme.x") + `"}}`)
	f = c.read()
	assert.Equal(t, []any{"acme.x"}, f.Data["topics"])
	assert.NotContains(t, f.Data, "topics_ignored")
}

// TestIssuerRemovedFromTheFile removes one issuer from the file and changes
// another. Connections, tickets and tokens of both are checked again by the new file.
func TestIssuerRemovedFromTheFile(t *testing.T) {
	acme, bank, shop := newTenants(t)
	s, file, asOperator := startTenants(t, acme, bank, shop)
	connect := func(i tenant) (*connection, *listener, string) {
		c, l := s.connectWith(i.token(t, "42"), ""), s.listen("", i.token(t, "42"))
		c.expect("live")
		l.next()
		return c, l, s.ticket(i.token(t, "42"))
	}
	gone, goneStream, goneTicket := connect(acme)
	changed, changedStream, changedTicket := connect(bank)
	stays, _, goodTicket := connect(shop)

	replaceFile(t, file, strings.Replace(bank.entry(), ", notify:admin]", "]", 1)+shop.entry())

	code, _, event := gone.closed()
	assert.Equal(t, 4403, code)
	assert.Equal(t, false, event.Data["reconnect"])
	assert.Contains(t, goneStream.last().data, "4403")
	code, _, event = changed.closed()
	assert.Equal(t, 4410, code)
	assert.Equal(t, true, event.Data["reconnect"])
	assert.Contains(t, changedStream.last().data, "4410")

	for _, refused := range []string{goneTicket, changedTicket} {
		assert.Equal(t, "token-invalid", s.do(http.MethodGet, "/events?ticket="+refused, "").problem(t))
	}
	assert.Equal(t, "token-invalid", s.do(http.MethodGet, "/inbox", "", bearer(acme.token(t, "42"))...).problem(t))
	assert.Equal(t, "scope", s.do(http.MethodGet, "/users/bank:42/connections", "", bearer(bank.token(t, "42"))...).problem(t), "the issuer has lost a scope")
	s.connectWith(bank.token(t, "42"), "").expect("live")

	s.listen("?ticket="+goodTicket, "").next()
	require.Equal(t, http.StatusAccepted, s.do(http.MethodPost, "/notify", draft(t, "still here", "shop:42"), asOperator...).StatusCode)
	stays.expect("still here")
}
