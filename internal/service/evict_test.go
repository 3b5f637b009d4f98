package service_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/notify"
)

func keeping(n int) func(*rig) { return func(r *rig) { r.keep = n } }

// The eviction from a full history and the unread count are delivered directly after
// the notification that caused it. No tick of the hub is needed.
func TestEvictionsFromAFullHistoryReachOpenConnections(t *testing.T) {
	r := newRig(t, keeping(2))
	phone, laptop, grace := r.connect("ada", ""), r.connectAs(subscriber("ada", "news"), ""), r.connect("grace", "")
	start := string(r.cursors.Append(nil, cursor.TagOf("ada"), 1)) // before all her notifications
	one := r.publish("one", "ada").ID
	r.submit(toTopics("news", "news"))
	two := r.publish("two", "ada").ID
	r.publish("three", "grace", "ada")
	phone.received(6) // before anything else is counted
	laptop.received(7)
	r.mark(subscriber("ada"), notify.VerbRead, two)
	phone.received(7)
	laptop.received(8)
	cursor := phone.cursor()
	r.publish("four", "ada")

	assert.Equal(t, []string{"welcome", "live", "one", "two", "three", "inbox", "inbox", "four", "inbox"}, phone.received(9))
	assert.Equal(t, []string{
		`{"recalled":["` + one + `"],"unread_count":2}`, `{"read":["` + two + `"],"unread_count":1}`, `{"recalled":["` + two + `"],"unread_count":2}`,
	}, data(phone, "inbox"))
	assert.Equal(t, []string{"welcome", "live", "one", "news", "two", "three", "inbox", "inbox", "four", "inbox"}, laptop.received(10))
	assert.Contains(t, data(laptop, "inbox")[2], `"unread_count":3`, "with the notifications to its topic")
	assert.Empty(t, data(grace, "inbox"))
	last := phone.all()[8]
	assert.Empty(t, last.cursor, "that came with the notification")

	assert.Equal(t, []string{"welcome", "four", "live"}, r.connect("ada", cursor).caughtUp(), "a replay does not name what was evicted")
	assert.Equal(t, []string{"welcome", "live"}, r.connect("ada", phone.cursor()).caughtUp())
	assert.Equal(t, []string{"welcome", "reset truncated", "three", "inbox", "four", "live"}, r.connect("ada", start).caughtUp())
}

// Readers of a topic receive an eviction from it at once, and the count later. Readers
// of another topic that still has the notification do not receive it.
func TestEvictionsFromAFullTopicReachOpenConnections(t *testing.T) {
	r := newRig(t, keeping(1))
	one, both := r.connectAs(subscriber("ada", "x"), ""), r.connectAs(subscriber("ada", "x", "y"), "")
	old := r.submit(toTopics("old", "x", "y")).ID
	r.submit(toTopics("new", "x"))
	r.submit(toTopics("newer", "y"))
	gone := `{"recalled":["` + old + `"]}`
	assert.Equal(t, []string{"welcome", "live", "old", "new", "inbox"}, one.received(5))
	assert.Equal(t, []string{"welcome", "live", "old", "new", "newer", "inbox"}, both.received(6))
	assert.Equal(t, []string{gone}, data(one, "inbox"))
	assert.Equal(t, []string{gone}, data(both, "inbox"))
	ctx, stop := contextOf(t)
	done := make(chan struct{})
	go func() { defer close(done); r.hub.Run(ctx) }()
	both.received(8)
	assert.Equal(t, `{"unread_count":2}`, data(both, "inbox")[1])
	stop()
	<-done
}

// Evictions from a full history are counted once for all connections that read the same,
// and not at all for users without one.
func TestEvictedNotificationsAreCountedOncePerReader(t *testing.T) {
	var counted []notify.UserID // by the deliverer, after all have joined
	r := newRig(t, keeping(1), counting(func(r notify.Reader, _ notify.Sequence) (int, error) {
		counted = append(counted, r.User)
		return 1, nil
	}))
	phone, laptop := r.connect("ada", ""), r.connect("ada", "")
	require.Len(t, counted, 2)
	r.publish("one", "ada", "grace", "eve")
	r.publish("two", "grace", "ada", "eve")
	for _, d := range []*device{phone, laptop} {
		assert.Equal(t, []string{"welcome", "live", "one", "two", "inbox"}, d.received(5))
	}
	r.stop()
	assert.Equal(t, []notify.UserID{"ada", "ada", "ada"}, counted)
	r.start()
}
