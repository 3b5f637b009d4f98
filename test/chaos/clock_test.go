//go:build linux

package chaos

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/traffic"
	"github.com/bellhop/bellhop/test/wrongclock"
)

// TestClockIsSet sets the clock of a running process an hour forward or back, and right again,
// and restarts it with the right clock. Promises 1 to 3: nothing is lost, repeated or reordered,
// live or after a resume, and tickets can be used all the time. What depends on the wall clock
// follows it: expiry, deferred delivery, and tokens.
func TestClockIsSet(t *testing.T) {
	binary := wrongclock.Build(t)
	for name, test := range map[string]struct {
		by    time.Duration
		check func(c *clockTest)
	}{
		"forward": {time.Hour, (*clockTest).checkForward},
		"back":    {-time.Hour, (*clockTest).checkBack},
	} {
		t.Run(name, func(t *testing.T) {
			p := &process{t: t, binary: binary, dir: t.TempDir(), env: []string{"BELLHOP_DRAIN_WINDOW=0", "BELLHOP_REQUESTS_PER_SECOND=0"}}
			p.start()
			l := traffic.Start(t, traffic.Options{
				Prefix: "clock", Users: 4, Between: 5 * time.Millisecond,
				URLs:  func() []string { return []string{*p.public.Load()} },
				Token: func(user string, scopes ...notify.Scope) string { return timeless(user, 3*time.Hour, scopes...) },
			})
			l.Grows(t)
			c := &clockTest{t: t, p: p, visitor: visitor{p: p, token: timeless("ada", 3*time.Hour), client: &http.Client{}}}
			defer c.visitor.client.CloseIdleConnections()
			c.prepare()

			wrongclock.Set(t, binary, p.cmd.Process.Pid, test.by)
			l.Grows(t)
			test.check(c)
			require.NoError(t, c.visitor.visit())
			wrongclock.Set(t, binary, p.cmd.Process.Pid, 0)
			l.Grows(t)
			require.NoError(t, c.visitor.visit())
			code, output := p.end(t, syscall.SIGTERM)
			require.Zero(t, code, output)
			p.start()
			l.Grows(t)
			require.NoError(t, c.visitor.visit())
			l.Stop()
			record(t, result{
				fault: fmt.Sprintf("clock set by %v, right again, and a restart", test.by), Outcome: l.Compare(),
				load: "4 publishers, at most 200/s each; expiry, deferred delivery, tokens, tickets",
			})
		})
	}
}

// clockTest is a user with notifications and a token that depend on the time.
type clockTest struct {
	t       *testing.T
	p       *process
	visitor visitor
	ada     *client // with a token of three hours
	short   *client // with a token of half an hour
}

// prepare publishes 0, which stays, 1, which expires in half an hour, and 2, which is delivered
// in half an hour.
func (c *clockTest) prepare() {
	c.t.Helper()
	c.ada = &client{p: c.p, token: c.visitor.token}
	c.short = &client{p: c.p, token: timeless("ada", 30*time.Minute)}
	for _, device := range []*client{c.ada, c.short} {
		require.NoError(c.t, device.connect(c.t.Context()))
		c.t.Cleanup(device.stream.close)
		require.NoError(c.t, device.until(c.t.Context(), "live"))
	}
	c.publish(0, "")
	c.publish(1, `,"ttl":1800`)
	c.publish(2, fmt.Sprintf(`,"deliver_at":%q`, time.Now().Add(30*time.Minute).UTC().Format(time.RFC3339)))
	require.NoError(c.t, c.ada.catchUp(c.t.Context(), 2))
	require.NoError(c.t, c.short.catchUp(c.t.Context(), 2))
}

func (c *clockTest) publish(n int, member string) {
	c.t.Helper()
	body := fmt.Sprintf(`{"to":{"users":["ada"]},"type":"n","title":"%d"%s}`, n, member)
	backend := visitor{p: c.p, token: timeless("backend", 3*time.Hour, notify.ScopePublish), client: c.visitor.client}
	require.NoError(c.t, backend.call(c.t.Context(), http.MethodPost, "/notify", body, nil))
}

// inbox returns the titles in ada's inbox, newest first.
func (c *clockTest) inbox() (titles []string) {
	c.t.Helper()
	var list struct{ Items []struct{ Title string } }
	require.NoError(c.t, c.visitor.call(c.t.Context(), http.MethodGet, "/inbox", "", &list))
	for _, n := range list.Items {
		titles = append(titles, n.Title)
	}
	return titles
}

// checkForward: what was due within the hour has happened.
func (c *clockTest) checkForward() {
	require.NoError(c.t, c.ada.catchUp(c.t.Context(), 3))
	assert.Equal(c.t, []int{0, 1, 2}, c.ada.received, "the deferred notification is delivered")
	require.Eventually(c.t, func() bool { return strings.Join(c.inbox(), "") == "20" }, timeout, 10*time.Millisecond, "an expired notification is listed")
	for ended := false; !ended; {
		_, err := c.short.next(c.t.Context())
		ended = err != nil
	}
	assert.ErrorContains(c.t, c.short.connect(c.t.Context()), "401", "an expired token is accepted")
}

// checkBack: what was not due is not done, and a token from the right time is not valid yet.
func (c *clockTest) checkBack() {
	c.publish(3, "")
	for _, device := range []*client{c.ada, c.short} {
		require.NoError(c.t, device.catchUp(c.t.Context(), 3))
		assert.Equal(c.t, []int{0, 1, 3}, device.received)
	}
	assert.Equal(c.t, []string{"3", "1", "0"}, c.inbox())
	future := &client{p: c.p, token: token(c.t, "ada")}
	assert.ErrorContains(c.t, future.connect(c.t.Context()), "401", "a token with an iat in the future is accepted")
}

// timeless returns a token without an iat, which a clock that is behind accepts too.
func timeless(user string, ttl time.Duration, scopes ...notify.Scope) string {
	claims := map[string]any{"sub": user, "exp": time.Now().Add(ttl).Unix()}
	if len(scopes) > 0 {
		claims["scope"] = scopes[0]
	}
	payload, _ := json.Marshal(claims) // of strings and a number
	signed := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + base64.RawURLEncoding.EncodeToString(payload)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
