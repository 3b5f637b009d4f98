package protocols_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/ws"
)

// A client of the second protocol receives live notifications, marks them as read, goes
// away, and resumes from its cursor.
func TestSecondProtocolReceivesMarksAndResumes(t *testing.T) {
	r := start(t)
	c := r.connect("")
	require.Equal(t, "ada", c.next()["hello"]["you"])
	require.Equal(t, 0.0, c.next()["now"]["left"])

	r.publish("one")
	push := c.next()["push"]
	assert.Equal(t, []any{"one", "comment", `{"n":1.0e400}`}, []any{push["headline"], push["kind"], push["payload"]})
	c.send(`{"seen":"` + push["at"].(string) + `"}`)
	answers := map[string]map[string]any{}
	for range 2 { // the change goes to all connections of the user, and may precede the reply
		for name, body := range c.next() {
			answers[name] = body
		}
	}
	assert.Equal(t, 0.0, answers["seen"]["left"])
	assert.Equal(t, 1.0, answers["changed"]["read"])
	at := answers["changed"]["at"].(string)

	require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
	r.publish("two")
	c = r.connect(at)
	require.Equal(t, true, c.next()["hello"]["again"])
	assert.Equal(t, "two", c.next()["push"]["headline"])
	assert.Equal(t, 1.0, c.next()["now"]["left"])

	c.send(`{"seen":"none of ours"}`)
	assert.Contains(t, c.next()["failed"]["why"], "invalid")
	c.send(`hello?`)
	c.expectClose(3008, notify.CloseNoObject.Reason)
}

// An event that several connections of a protocol receive is encoded once for them, and
// connections of another protocol receive the same event.
func TestProtocolsShareEventsAndEncodeThemOnce(t *testing.T) {
	r := start(t)
	var all []*client
	for range 5 {
		c := r.connect("")
		c.next()
		c.next()
		all = append(all, c)
	}
	v1 := r.dial("/ws")
	v1.read()
	v1.read()
	before := r.second.encoded.Load()
	r.publish("shared")
	for _, c := range all {
		assert.Equal(t, "shared", c.next()["push"]["headline"])
	}
	assert.Contains(t, v1.read(), `"title":"shared"`)
	assert.Equal(t, before+1, r.second.encoded.Load())
}

func (c *client) read() string {
	c.t.Helper()
	_, message, err := c.Read(c.t.Context())
	require.NoError(c.t, err)
	return string(message)
}

// A first message that does not authenticate ends the connection with a code that says
// why. The client receives nothing else.
func TestInvalidFirstMessagesAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		message string
		code    int
		reason  string
	}{
		"no token":    {`{"connect":{}}`, 3401, "token-invalid"},
		"expired":     {`{"connect":{"token":"expired"}}`, 3401, "token-expired"},
		"not connect": {`{"seen":"x"}`, 3008, "first-message-invalid"},
		"no JSON":     {`hello`, 3008, "first-message-invalid"},
		"too large":   {`{"connect":{"token":"` + strings.Repeat("x", 20<<10) + `"}}`, 3009, "frame-too-big"},
		"a panic":     {`{"connect":{"token":"panic"}}`, 3011, "internal"},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t)
			client := r.dial("/second", subprotocol)
			client.send(c.message)
			client.expectClose(c.code, c.reason)
			assert.Zero(t, r.hub.Count())
		})
	}
}

// A connection is closed if its first message does not arrive in time, or if its token
// takes too long to verify.
func TestAuthenticationIsBoundedInTime(t *testing.T) {
	r := start(t, func(o *ws.Options) { o.AuthenticationTimeout = 50 * time.Millisecond })
	r.dial("/second", subprotocol).expectClose(3400, "authentication-timeout")
	slow := r.dial("/second", subprotocol)
	slow.send(`{"connect":{"token":"slow"}}`)
	slow.expectClose(3400, "authentication-timeout")
}

// A peer that sends pings instead of its first message is closed after 100 of them.
func TestUnauthenticatedPeersCannotFlood(t *testing.T) {
	r := start(t)
	c := r.dial("/second", subprotocol)
	go func() {
		for range 200 {
			if c.Ping(t.Context()) != nil {
				return
			}
		}
	}()
	c.expectClose(3429, "too-many-commands")
	assert.Zero(t, r.second.received.Load())
}

// The number of connections that have not sent their first message is limited for each
// address and in total. Connections beyond the limit are closed. An authenticated connection
// frees its slot.
func TestUnauthenticatedConnectionsAreLimited(t *testing.T) {
	for name, limit := range map[string]func(*ws.Options){
		"in all":      func(o *ws.Options) { o.Unauthenticated = 2 },
		"per address": func(o *ws.Options) { o.UnauthenticatedPerAddress = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, limit)
			first, second := r.dial("/second", subprotocol), r.dial("/second", subprotocol)
			hello := []<-chan string{first.waiting(), second.waiting()}
			r.dial("/second", subprotocol).expectClose(3013, "too-many-unauthenticated")
			first.send(`{"connect":{"token":"ada"}}`)
			second.send(`{"connect":{"token":"ada"}}`)
			for _, h := range hello {
				require.Contains(t, <-h, `"hello"`)
			}
			c := r.connect("") // both slots are free again
			require.Equal(t, "ada", c.next()["hello"]["you"])
		})
	}
}

// waiting returns when the service waits for the first message of c, which its answer to a
// ping shows. The returned channel receives the next message.
func (c *client) waiting() <-chan string {
	c.t.Helper()
	next := make(chan string, 1)
	go func() {
		_, message, err := c.Read(c.t.Context())
		if err != nil {
			message = []byte(err.Error())
		}
		next <- string(message)
	}()
	require.NoError(c.t, c.Ping(c.t.Context()))
	return next
}

// A drain closes connections that have not authenticated, and does not wait for them.
func TestDrainClosesUnauthenticatedConnections(t *testing.T) {
	r := start(t, func(o *ws.Options) { o.AuthenticationTimeout = time.Hour })
	r.dial("/second", subprotocol) // the cleanup of the test waits for its handler
}

// Another subprotocol is refused before the upgrade.
func TestHandshakeOfAnotherProtocolIsRefused(t *testing.T) {
	r := start(t)
	_, answer, err := websocket.Dial(t.Context(), r.url+"/second", nil)
	require.Error(t, err)
	assert.Equal(t, http.StatusBadRequest, answer.StatusCode)
}
