package service_test

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
)

func TestNoCursorStartsNow(t *testing.T) {
	r := newRig(t)
	r.publish("before", "ada")
	d := r.connect("ada", "")
	r.publish("after", "ada")
	assert.Equal(t, []string{"welcome", "live", "after"}, d.received(3))
}

func TestEarliestReplaysTheWholeHistory(t *testing.T) {
	r := newRig(t)
	r.publish("one", "ada")
	r.publish("for grace", "grace")
	r.publish("for all")
	d := r.connect("ada", service.Earliest)
	assert.Equal(t, []string{"welcome", "one", "for all", "live"}, d.received(4))
}

func TestResume(t *testing.T) {
	r := newRig(t)
	d := r.connect("ada", "")
	r.publish("one", "ada")
	d.received(3)
	cursor := d.cursor()
	d.conn.End(notify.CloseLost)

	r.publish("two", "ada")
	r.publish("three")
	again := r.connect("ada", cursor)
	assert.Equal(t, []string{"welcome", "two", "three", "live"}, again.received(4))
	assert.Contains(t, string(again.all()[0].data), `"resumed":true`)
	assert.Equal(t, cursor, again.all()[0].cursor, "it starts where it stopped")
}

func TestARestartResetsNoCursor(t *testing.T) {
	r := newRig(t)
	d := r.connect("ada", "")
	r.publish("one", "ada")
	d.received(3)
	r.restart()
	r.publish("two", "ada")
	r.restart()
	assert.Equal(t, []string{"welcome", "two", "live"}, r.connect("ada", d.cursor()).received(3))
}

func TestAnUnknownCursorLeadsToAReset(t *testing.T) {
	r := newRig(t)
	r.publish("one", "ada")
	grace := r.connect("grace", "")
	for name, cursor := range map[string]string{
		"garbage":          "nonsense",
		"of another user":  grace.cursor(),
		"of another store": newRig(t).connect("ada", "").cursor(),
	} {
		t.Run(name, func(t *testing.T) {
			d := r.connect("ada", cursor)
			assert.Equal(t, []string{"welcome", "reset unknown", "one", "live"}, d.received(4))
			assert.Contains(t, string(d.all()[0].data), `"resumed":false`)
		})
	}
}

// A client that reads joins at once, however many other clients do not read.
func TestSlowPeersHoldUpNoOthers(t *testing.T) {
	const slow = 300 // more than may read in steps at a time
	r := newRig(t)
	r.publish("one")
	hold := make(chan struct{})
	var joining sync.WaitGroup
	defer joining.Wait()
	defer close(hold)
	for n := range slow {
		d := r.register(subscriber(notify.UserID(strconv.Itoa(n))))
		d.hold = hold
		joining.Go(func() { d.join(service.Earliest) })
	}
	for n := range slow {
		d := r.register(subscriber(notify.UserID("ada" + strconv.Itoa(n))))
		require.True(t, r.service.JoinAtOnce(d.conn, service.Earliest))
		assert.Equal(t, []string{"welcome", "one", "live"}, d.received(3))
	}
}

func TestJoiningInStepsSendsTheSameEvents(t *testing.T) {
	r := newRig(t)
	d := r.connect("ada", "")
	r.publish("one", "ada")
	r.publish("two")
	for _, cursor := range []string{"", service.Earliest, d.cursor(), "nonsense"} {
		p := notify.Principal{User: "ada", Expires: time.Now().Add(time.Hour)}
		atOnce, inSteps := r.register(p), r.register(p)
		require.True(t, r.service.JoinAtOnce(atOnce.conn, cursor))
		inSteps.join(cursor)
		assert.Equal(t, inSteps.caughtUp(), atOnce.caughtUp(), "from %q", cursor)
		assert.Equal(t, inSteps.cursor(), atOnce.cursor(), "from %q", cursor)
	}
}

func TestJoinAtOnceRefusesSeveralPages(t *testing.T) {
	r := newRig(t)
	for i := range 65 {
		r.publish(strconv.Itoa(i), "ada")
	}
	d := r.register(notify.Principal{User: "ada"})
	require.False(t, r.service.JoinAtOnce(d.conn, service.Earliest))
	assert.Empty(t, d.all())
}

// A long history counts as several requests of its user only.
func TestALongHistoryIsCharged(t *testing.T) {
	const burst = 10
	requests := &limit.Principals{Users: limit.New(notify.Rate{Name: "requests", Quota: 1, Window: time.Hour}, burst)}
	r := newRig(t, func(r *rig) { r.requests = requests })
	for i := range 600 {
		r.publish(strconv.Itoa(i), "ada")
	}
	ada := notify.Principal{User: "ada", Name: "user:ada"}
	d := r.register(ada)
	d.join(service.Earliest)
	d.caughtUp()
	left := 0
	for requests.Allow(ada) == nil {
		left++
	}
	assert.Equal(t, burst-2, left, "ten pages count as two requests")
	assert.NoError(t, requests.Allow(notify.Principal{User: "bob", Name: "user:bob"}))
}

// A restored copy that is older than the cursor refuses it, although it is a copy of
// the same store.
func TestCursorNotYetReached(t *testing.T) {
	r := newRig(t)
	r.publish("one", "ada")
	r.stop()
	copied := r.fs.CrashClone(synced())
	r.start()
	r.publish("two", "ada")
	ahead := r.connect("ada", service.Earliest)
	ahead.received(4)
	r.stop()

	r.fs = copied
	r.start()
	assert.Equal(t, []string{"welcome", "reset unknown", "one", "live"}, r.connect("ada", ahead.cursor()).received(4))
}

func TestTruncatedIsExact(t *testing.T) {
	r := newRig(t)
	r.stop()
	r.keep = 3
	r.start()
	start := r.connect("ada", "")
	graces := r.connect("grace", "")
	r.publish("1", "ada")
	start.received(3)
	afterOne := start.cursor()
	for i := 2; i <= 4; i++ {
		r.publish(strconv.Itoa(i), "ada")
	}
	beforeOne := start.all()[1].cursor
	assert.Equal(t, []string{"welcome", "reset truncated", "2", "3", "4", "live"}, r.connect("ada", beforeOne).received(6),
		"1 was removed, and the client had not seen it")
	assert.Equal(t, []string{"welcome", "2", "3", "4", "live"}, r.connect("ada", afterOne).received(5),
		"1 was removed, but the client had seen it")
	assert.Equal(t, []string{"welcome", "live"}, r.connect("grace", graces.cursor()).received(2),
		"nothing of grace was removed")
}

// Changes of a user are kept for devices that are away while those before the last one are about no more
// notifications than a user may have. A device that was away during more is reset, although all notifications
// are kept: otherwise it would show states that are not true.
func TestMoreChangesThanAreKeptAreAReset(t *testing.T) {
	r := newRig(t, func(r *rig) { r.keep = 3 })
	phone := r.connect("ada", "")
	var ids []string
	for _, title := range []string{"1", "2", "3"} {
		ids = append(ids, r.publish(title, "ada").ID)
	}
	phone.received(5)
	beforeAll := phone.cursor()
	r.mark(ada(), notify.VerbRead, ids...)
	phone.received(6)
	afterOne := phone.cursor()
	r.mark(ada(), notify.VerbArchive, ids...)
	assert.Equal(t, []string{"welcome", "inbox", "inbox", "live"}, r.connect("ada", beforeAll).received(4))
	r.mark(ada(), notify.VerbUnread, ids...)
	assert.Equal(t, []string{"welcome", "reset truncated", "1", "2", "3", "inbox", "inbox", "live"}, r.connect("ada", beforeAll).received(8))
	assert.Equal(t, []string{"welcome", "inbox", "inbox", "live"}, r.connect("ada", afterOne).received(4), "it has the change that is not kept")
}

func TestSinceHidesOlderBroadcasts(t *testing.T) {
	r := newRig(t)
	r.publish("for all")
	r.publish("for ada", "ada")
	d := r.connectAs(notify.Principal{User: "ada", Since: time.Now().Add(time.Hour), Expires: time.Now().Add(time.Hour)}, service.Earliest)
	assert.Equal(t, []string{"welcome", "for ada", "live"}, d.received(3))
}

// Connections that join during many publishes receive every event once, and all
// devices receive them in one order.
func TestJoinUnderLoad(t *testing.T) {
	r := newRig(t)
	const publishers, each, devices = 4, 100, 10
	first := r.connect("ada", "")
	cursor := first.cursor()

	var all sync.WaitGroup
	for p := range publishers {
		all.Go(func() {
			for i := range each {
				title := fmt.Sprintf("%d/%d", p, i)
				if i%10 == 0 {
					r.publish(title)
				} else {
					r.publish(title, "ada")
				}
			}
		})
	}
	joined := make([]*device, devices)
	for i := range joined {
		all.Go(func() { joined[i] = r.connect("ada", cursor) })
	}
	all.Wait()

	complete := func(fs []frame) bool { return len(titles(fs)) >= publishers*each }
	want := titles(first.wait(complete))
	require.Len(t, want, publishers*each)
	for _, d := range joined {
		assert.Equal(t, want, titles(d.wait(complete)))
	}
}

func titles(fs []frame) []string {
	var all []string
	for _, f := range fs {
		if f.event == "notification" {
			all = append(all, f.title)
		}
	}
	return all
}

// A notification to a user with a full history evicts one while a device catches up.
// If the device has received that one already, there is no gap.
func TestJoinAtTheCap(t *testing.T) {
	r := newRig(t)
	r.stop()
	r.keep = 300 // several pages
	r.start()
	for i := range r.keep {
		r.publish(strconv.Itoa(i), "ada")
	}
	d := &device{r: r, user: "ada", more: make(chan struct{}, 1)}
	d.conn = r.hub.NewConn(notify.Principal{User: "ada", Expires: time.Now().Add(time.Hour)}, "c", nil, d)
	require.NoError(t, r.hub.Register(d.conn))
	require.True(t, r.service.Join(t.Context(), d.conn, service.Earliest, func() { r.publish("late", "ada") }))
	got := d.wait(func(fs []frame) bool { return len(titles(fs)) > r.keep })
	assert.Equal(t, "late", titles(got)[r.keep])
	assert.NotContains(t, events(got), "reset truncated")
}

// Users whose many connections read nothing hold a few pages each: others join,
// and read their inboxes, meanwhile.
func TestStalledReadersDoNotBlockOthers(t *testing.T) {
	const users, each = 14, 19
	r := newRig(t)
	for i := range 3 * 64 { // several pages, for everyone
		r.publish(strconv.Itoa(i))
	}
	hold := make(chan struct{})
	var joining sync.WaitGroup
	for i := range users {
		for range each {
			d := r.register(subscriber(notify.UserID("mallory " + strconv.Itoa(i))))
			d.hold = hold
			joining.Go(func() { r.service.Join(t.Context(), d.conn, service.Earliest, func() {}) })
		}
	}
	r.connectAs(subscriber("ada"), service.Earliest).caughtUp()
	ada := r.register(subscriber("ada"))
	ada.join(service.Earliest)
	ada.caughtUp()
	page, err := r.service.List(t.Context(), subscriber("ada"), service.Query{Limit: 100})
	require.NoError(t, err)
	assert.Len(t, page.Items, 100)
	page, err = r.service.List(t.Context(), subscriber("mallory 1"), service.Query{Limit: 100})
	require.NoError(t, err)
	assert.Len(t, page.Items, 100, "not even their own")
	close(hold)
	joining.Wait()
}
