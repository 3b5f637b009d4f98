package service_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/store"
)

func TestTopicsReachUsersWhoseTokensHaveThem(t *testing.T) {
	r := newRig(t)
	ada, grace, edsger := r.connectAs(subscriber("ada", "news"), ""), r.connectAs(subscriber("grace", "project.*", "news"), ""), r.connect("edsger", "")
	for _, ephemeral := range []bool{false, true} {
		d := toTopics("one", "project.7", "news", "project.7")
		d.Ephemeral = ephemeral
		assert.Zero(t, r.submit(d).Recipients, "users are not counted")
		ada.received(3) // an ephemeral notification might overtake it
		grace.received(3)
	}
	r.submit(toTopics("two", "project"))
	r.publish("all")
	assert.Equal(t, []string{"welcome", "live", "one", "one", "all"}, ada.received(5))
	assert.Equal(t, []string{"welcome", "live", "one", "one", "all"}, grace.received(5))
	assert.Equal(t, []string{"welcome", "live", "all"}, edsger.received(3))
	assert.Contains(t, string(ada.all()[2].data), `"audience":"topic","topic":"news"`)
	assert.Contains(t, string(grace.all()[2].data), `"audience":"topic","topic":"project.7"`)
	assert.Contains(t, string(grace.all()[3].data), `"ephemeral":true`)
	assert.NotEmpty(t, grace.all()[2].cursor)
	assert.Empty(t, grace.all()[3].cursor)
}

// counted is a store with a count that the test chooses.
type counted struct {
	*store.Store
	count func(r notify.Reader, upTo notify.Sequence) (int, error)
}

func (c counted) Counts(r notify.Reader, upTo notify.Sequence) (notify.Counts, error) {
	unread, err := c.count(r, upTo)
	return notify.Counts{Unread: unread}, err
}

func counting(count func(r notify.Reader, upTo notify.Sequence) (int, error)) func(*rig) {
	return func(r *rig) {
		r.wrap = func(s *store.Store) service.Store { return counted{s, count} }
	}
}

// later is a sequence after all that these tests append.
const later notify.Sequence = 1 << 40

func TestAChangeHasTheUnreadCountAtItsSequence(t *testing.T) {
	r := newRig(t, counting(func(r notify.Reader, upTo notify.Sequence) (int, error) {
		switch {
		case upTo < later:
			return 0, nil
		case len(r.Topics) > 0:
			return 9, nil
		}
		return len(r.User), nil
	}))
	phone, laptop, grace := r.connect("ada", ""), r.connectAs(subscriber("ada", "news"), ""), r.connect("grace", "")
	r.service.Deliver(notify.InboxChange{
		Sequence: later, To: notify.Readers{Users: []notify.UserID{"ada"}}, Read: []string{"x"}, Unread: []string{"y"},
	})
	r.service.Deliver(notify.InboxChange{
		Sequence: later + 1, To: notify.Readers{All: true}, Recalled: []string{"z"},
	})
	r.service.Deliver(notify.Recount{To: notify.Readers{All: true}})
	want := []string{`{"unread_count":0}`, `{"read":["x"],"unread":["y"],"unread_count":3}`, `{"recalled":["z"]}`}
	assert.Equal(t, want, data(phone, "live", "inbox"))
	assert.Equal(t, strings.ReplaceAll(strings.Join(want, " "), "count\":3", "count\":9"), strings.Join(data(laptop, "live", "inbox"), " "))
	assert.Equal(t, []string{`{"unread_count":0}`, `{"recalled":["z"]}`}, data(grace, "live", "inbox"))
	assert.Equal(t, string(r.cursors.Append(nil, cursor.TagOf("ada"), later+1)), phone.cursor())

	ctx, stop := contextOf(t)
	defer stop()
	go r.hub.Run(ctx) // the count follows at a tick
	phone.received(6)
	grace.received(5)
	assert.Equal(t, append(want, `{"unread_count":3}`), data(phone, "live", "inbox"))
	assert.Equal(t, `{"unread_count":5}`, data(grace, "inbox")[1])
}

// unseenCount matches what withoutUnseen leaves out: the random tests compare it.
var unseenCount = regexp.MustCompile(`,"unseen_count":\d+`)

func withoutUnseen(data []byte) string { return unseenCount.ReplaceAllString(string(data), "") }

// data returns the data of these events, once all queued events are written.
func data(d *device, events ...string) []string {
	d.r.t.Helper()
	d.conn.Offer(endOfTest)
	var all []string
	for _, f := range d.wait(func(fs []frame) bool { return fs[len(fs)-1].event == "reply" }) {
		for _, event := range events {
			if f.event == event {
				all = append(all, withoutUnseen(f.data))
			}
		}
	}
	return all
}

func TestALargeChangeIsSplit(t *testing.T) {
	r := newRig(t, counting(func(notify.Reader, notify.Sequence) (int, error) { return 7, nil }))
	d := r.connect("ada", "")
	var all []string
	for i := range 2_500 {
		all = append(all, fmt.Sprintf("%036d", i))
	}
	r.service.Deliver(notify.InboxChange{
		Sequence: later, To: notify.Readers{Users: []notify.UserID{"ada"}}, Read: all[:900], Archived: all[900:2_300], Recalled: all[2_300:],
	})
	d.received(5)
	var got []string
	for i, f := range d.all()[2:] {
		var change struct {
			Read, Archived, Recalled []string
			Count                    *int `json:"unread_count"`
		}
		require.NoError(t, json.Unmarshal(f.data, &change))
		got = append(append(append(got, change.Read...), change.Archived...), change.Recalled...)
		assert.LessOrEqual(t, len(change.Read)+len(change.Archived)+len(change.Recalled), 1_000)
		last := i == 2
		assert.Equal(t, last, change.Count != nil, "the last has the count")
		assert.Equal(t, last, f.cursor != "", "and the cursor")
	}
	assert.Equal(t, all, got)
}

func TestAFailedCountEndsTheConnection(t *testing.T) {
	var broken atomic.Bool
	r := newRig(t, counting(func(notify.Reader, notify.Sequence) (int, error) {
		if broken.Load() {
			return 0, errors.New("the disk is gone")
		}
		return 0, nil
	}))
	d := r.connect("ada", "")
	broken.Store(true)
	r.service.Deliver(notify.InboxChange{Sequence: later, To: notify.Readers{Users: []notify.UserID{"ada"}}, Read: []string{"x"}})
	assert.Eventually(t, func() bool { return d.reason() == notify.CloseInternal }, 10*time.Second, time.Millisecond)

	late := r.register(subscriber("ada"))
	require.False(t, r.service.JoinAtOnce(late.conn, ""))
	require.False(t, r.service.Join(t.Context(), late.conn, "", func() {}))
	assert.Eventually(t, func() bool { return late.reason() == notify.CloseInternal }, 10*time.Second, time.Millisecond)
}

func (d *device) reason() notify.Close {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed == nil {
		return notify.Close{}
	}
	return *d.closed
}

func TestARecountHasACursor(t *testing.T) {
	var unread atomic.Int64
	r := newRig(t, counting(func(notify.Reader, notify.Sequence) (int, error) { return int(unread.Load()), nil }))
	d := r.connect("ada", "")
	r.publish("one", "ada")
	d.received(3)
	cursor := d.cursor()
	unread.Store(5)
	r.service.Deliver(notify.Recount{To: notify.Readers{Users: []notify.UserID{"ada"}}})
	ctx, stop := contextOf(t)
	defer stop()
	go r.hub.Run(ctx)
	d.received(4)
	last := d.all()[3]
	assert.Equal(t, []string{"inbox", `{"unread_count":5}`, cursor}, []string{last.event, withoutUnseen(last.data), last.cursor})
}

// Notifications to a topic that a refreshed token names are not missed, even while
// the connection is still catching up.
func TestTopicsOfATokenThatIsRenewedWhileJoining(t *testing.T) {
	r := newRig(t)
	r.publish("old", "ada")
	d := r.register(subscriber("ada"))
	require.True(t, r.service.Join(t.Context(), d.conn, service.Earliest, func() {
		require.True(t, d.conn.Renew(subscriber("ada", "news")))
		r.submit(toTopics("new", "news"))
	}))
	assert.Equal(t, []string{"welcome", "old", "new", "live"}, d.received(4))
}

// endOfTest is published after everything that a test waits for.
var endOfTest = &hub.Event{Content: hub.Reply{Result: hub.Pong{}}}
