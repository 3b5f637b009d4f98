package e2e

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/notify"
)

func TestNotificationReachesEveryDeviceOfItsUser(t *testing.T) {
	s := start(t)
	phone, laptop, grace := s.live("ada"), s.live("ada"), s.live("grace")
	id := s.publish("for ada", "ada")
	s.publish("for all")
	for _, device := range []*connection{phone, laptop} {
		f := device.read()
		assert.Equal(t, id, f.text("id"))
		assert.Equal(t, "user", f.text("audience"))
		assert.NotEmpty(t, f.Cursor)
		device.expect("for all")
	}
	grace.expect("for all")
}

func TestMissedWhileAway(t *testing.T) {
	s := start(t)
	ada := s.live("ada")
	s.publish("one", "ada")
	ada.expect("one")
	ada.drop()

	s.publish("two", "ada")
	s.publish("not for ada", "grace")
	s.publish("three")
	back := s.connect("ada", ada.cursor)
	back.expect("two", "three", "live")
	s.publish("four", "ada")
	back.expect("four")
}

func TestNothingIsLostByARestart(t *testing.T) {
	s := start(t)
	ada := s.live("ada")
	s.publish("one", "ada")
	ada.expect("one")
	s.restart()
	s.publish("two", "ada")
	s.restart()
	s.connect("ada", ada.cursor).expect("two", "live")
	s.connect("ada", "earliest").expect("one", "two", "live")
}

func TestWelcome(t *testing.T) {
	s := start(t)
	expires := time.Now().Add(time.Hour)
	c, resp, err := s.dial(sign(t, auth.Claims{User: "ada", Expires: expires}), "")
	require.NoError(t, err)
	assert.Empty(t, resp.Header.Get("Sec-WebSocket-Protocol"), "the client offered no subprotocol")
	f := c.read()
	assert.Equal(t, "welcome", f.Event)
	assert.NotEmpty(t, f.Cursor)
	assert.NotEmpty(t, f.text("connection"))
	assert.Equal(t, "ada", f.text("user"))
	assert.Equal(t, false, f.Data["resumed"])
	assert.EqualValues(t, 25, f.Data["ping"])
	assert.NotEmpty(t, f.text("token_expires"))
	c.expect("live")
}

func TestReset(t *testing.T) {
	s := start(t, func(c *config.Config) { c.PerUser = 2 })
	ada := s.live("ada")
	for _, title := range []string{"one", "two", "three"} {
		s.publish(title, "ada")
	}
	for cursor, reason := range map[string]string{
		ada.cursor:                "truncated",
		s.live("grace").cursor:    "unknown",
		"nonsense":                "unknown",
		strings.Repeat("x", 4000): "unknown",
	} {
		back := s.connect("ada", cursor)
		f := back.read()
		assert.Equal(t, "reset", f.Event)
		assert.Equal(t, reason, f.text("reason"))
		back.expect("two", "three", "live")
	}
}

// All devices see the same order, whether they were connected from the start,
// joined in the middle or connected afterwards.
func TestAllDevicesSeeTheSameOrder(t *testing.T) {
	s := start(t)
	const publishers, each = 8, 25
	start := s.live("ada")
	before := start.cursor
	var all sync.WaitGroup
	for p := range publishers {
		all.Go(func() {
			for i := range each {
				if title := fmt.Sprintf("%d/%d", p, i); i%5 == 0 {
					s.publish(title)
				} else {
					s.publish(title, "ada", "grace")
				}
			}
		})
	}
	middle := s.connect("ada", before)
	all.Wait()
	after := s.connect("ada", before)

	want := titles(start, publishers*each)
	assert.Equal(t, want, titles(middle, publishers*each))
	assert.Equal(t, want, titles(after, publishers*each))
}

// titles reads n notifications and returns their titles.
func titles(c *connection, n int) []string {
	var all []string
	for len(all) < n {
		if f := c.read(); f.Event == "notification" {
			all = append(all, f.text("title"))
		}
	}
	return all
}

func TestEphemeral(t *testing.T) {
	s := start(t)
	ada := s.live("ada")
	a := s.post("/notify", `{"to":{"users":["ada"]},"type":"t","title":"typing","ephemeral":true}`)
	assert.Equal(t, http.StatusAccepted, a.StatusCode)
	f := ada.read()
	assert.Equal(t, "typing", f.text("title"))
	assert.Equal(t, true, f.Data["ephemeral"])
	assert.Empty(t, f.Cursor)
	s.connect("ada", "earliest").expect("live")
}

func TestTimeToLive(t *testing.T) {
	s := start(t)
	a := s.post("/notify", `{"to":{"users":["ada"]},"type":"t","title":"brief","ttl":1}`)
	require.Equal(t, http.StatusAccepted, a.StatusCode)
	s.publish("lasting", "ada")
	require.Eventually(t, func() bool {
		c := s.connect("ada", "earliest")
		defer c.drop()
		return c.read().text("title") == "lasting"
	}, timeout, 100*time.Millisecond)
}

func TestSinceHidesOlderBroadcasts(t *testing.T) {
	s := start(t)
	s.publish("old news")
	s.publish("for ada", "ada")
	// The claim since is written in whole seconds, so it is rounded up.
	c := s.connectWith(sign(t, auth.Claims{User: "ada", TTL: time.Hour, Since: time.Now().Add(2 * time.Second)}), "earliest")
	c.expect("for ada", "live")
}

func TestPublishOverTheSocket(t *testing.T) {
	s := start(t)
	grace := s.live("grace")
	ada := s.connectWith(token(t, "ada", notify.ScopePublish), "")
	ada.expect("live")

	const body = `{"to":{"users":["grace"]},"type":"t","title":"hello"}`
	command := `{"event":"publish","ref":"7","key":"k","data":` + body + `}`
	ada.send(command)
	reply := ada.read()
	assert.Equal(t, "reply", reply.Event)
	assert.Equal(t, "7", reply.Ref)
	assert.Equal(t, false, reply.Data["duplicate"])
	assert.EqualValues(t, 1, reply.Data["recipients"])
	ada.send(command)
	again := ada.read()
	assert.Equal(t, true, again.Data["duplicate"])
	assert.Equal(t, reply.text("id"), again.text("id"))

	ada.send(`{"event":"publish","ref":"8","data":{"to":{"all":true},"type":"t"}}`)
	f := ada.read()
	assert.Equal(t, "error", f.Event)
	assert.Equal(t, "8", f.Ref)
	assert.EqualValues(t, 403, f.Data["status"])
	ada.send(`{"event":"publish","ref":"9","data":{"to":{"users":["x y"]},"typ":"t"}}`)
	assert.EqualValues(t, 422, ada.read().Data["status"])
	ada.send(`{"event":"dance","ref":"10"}`)
	f = ada.read()
	assert.Equal(t, "error", f.Event)
	assert.Equal(t, "10", f.Ref)
	ada.send(`{"event":"ping","ref":"11"}`)
	assert.Equal(t, "11", ada.read().Ref)
	grace.expect("hello")
}

// A burst larger than a connection's queue does not disconnect a client that reads.
func TestBatchLargerThanAQueueReachesAReader(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Broadcasts = 1000 })
	ada, grace := s.live("ada"), s.live("grace")
	items := make([]string, 1000)
	for i := range items {
		if items[i] = draft(t, strconv.Itoa(i), "ada"); i%3 == 0 {
			items[i] = draft(t, strconv.Itoa(i))
		}
	}
	a := s.post("/notify/batch", `{"notifications":[`+strings.Join(items, ",")+`]}`)
	require.Equal(t, http.StatusAccepted, a.StatusCode)
	for i, title := range titles(ada, len(items)) {
		require.Equal(t, strconv.Itoa(i), title)
	}
	titles(grace, 334)
}
