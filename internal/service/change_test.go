package service_test

import (
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
)

// append puts an entry into the journal.
func (r *rig) append(e notify.Entry) {
	r.t.Helper()
	require.NoError(r.t, r.journal.Append(r.t.Context(), e)[0].Err)
}

func (r *rig) mark(p notify.Principal, verb notify.Verb, ids ...string) {
	r.t.Helper()
	r.append(notify.Mark{Reader: p.Reader(), Verb: verb, IDs: ids, Keep: r.keep})
}

// All devices receive changes of an inbox in the one order of events, live and when
// they resume; and every unread count is right.
func TestChangesAreOrderedWithNotifications(t *testing.T) {
	r := newRig(t)
	p := subscriber("ada", "news")
	phone, laptop := r.connectAs(p, ""), r.connectAs(p, "")
	start := phone.cursor()

	one := r.publish("one", "ada").ID
	two := r.submit(toTopics("two", "news")).ID
	r.mark(p, notify.VerbRead, one)
	three := r.publish("three").ID
	r.mark(p, notify.VerbArchive, two, three)
	r.mark(p, notify.VerbUnread, one, two)
	r.append(notify.Recall{ID: three, Keep: r.keep})
	r.append(notify.Recall{ID: two, Keep: r.keep})
	r.publish("four", "ada")

	words := []string{"one", "two", "inbox", "three", "inbox", "inbox", "inbox", "inbox", "four"}
	counts := []string{
		`{"read":["` + one + `"],"unread_count":1}`,
		`{"archived":["` + two + `","` + three + `"],"unread_count":0}`,
		`{"unread":["` + one + `","` + two + `"],"unread_count":2}`,
		`{"recalled":["` + three + `"]}`, // the count follows, for many at a time
		`{"recalled":["` + two + `"]}`,
	}
	for _, d := range []*device{phone, laptop} {
		assert.Equal(t, append([]string{"welcome", "live"}, words...), d.received(2+len(words)))
		live := data(d, "live", "inbox")
		assert.Equal(t, `{"unread_count":0}`, live[0])
		assert.Equal(t, len(counts), len(live)-1)
		assert.Equal(t, counts[len(counts)-1], live[len(live)-1])
		assert.Equal(t, ids(counts), ids(live[1:]))
	}

	for _, atOnce := range []bool{true, false} {
		late := r.register(p)
		if !atOnce {
			late.join(start)
		} else {
			require.True(t, r.service.JoinAtOnce(late.conn, start))
		}
		want := []string{"welcome", "one", "inbox", "inbox", "inbox", "inbox", "inbox", "four", "live"}
		assert.Equal(t, want, late.caughtUp(), "the recall is replayed, the recalled notification is not")
		assert.Equal(t, ids(counts), data(late, "inbox"), "without a count, which would be of now")
		assert.Equal(t, []string{`{"unread_count":2}`}, data(late, "live"))
		assert.NotContains(t, string(late.all()[1].data), "read_at", "it is unread again")
	}
	r.mark(p, notify.VerbRead, one)
	again := r.connectAs(p, service.Earliest)
	again.caughtUp()
	assert.Contains(t, string(again.all()[1].data), `"read_at":"`)
}

var uncounted = regexp.MustCompile(`,"unread_count":\d+`)

// ids returns data without the unread count.
func ids(data []string) []string {
	all := make([]string, len(data))
	for i, s := range data {
		all[i] = uncounted.ReplaceAllString(s, "")
	}
	return all
}

// A client that resumes with the cursor of a change does not receive it again.
func TestResumingFromAChange(t *testing.T) {
	r := newRig(t)
	d := r.connect("ada", "")
	one := r.publish("one", "ada").ID
	r.mark(subscriber("ada"), notify.VerbRead, one)
	d.received(4)
	cursor := d.cursor()
	r.mark(subscriber("ada"), notify.VerbUnread, one)
	d.received(5)
	late := r.connect("ada", cursor)
	assert.Equal(t, []string{"welcome", "inbox", "live"}, late.caughtUp())
	assert.Equal(t, []string{`{"unread":["` + one + `"]}`}, data(late, "inbox"))
	assert.Equal(t, []string{"welcome", "live"}, r.connect("ada", late.cursor()).caughtUp())
	assert.Equal(t, []string{"welcome", "live"}, r.connect("grace", "").caughtUp())
}

func TestReplacingDifferentNotificationsForDifferentUsers(t *testing.T) {
	r := newRig(t)
	ada, grace := r.connect("ada", ""), r.connect("grace", "")
	older := draft("older", "ada")
	older.CollapseKey = "k"
	id := r.submit(older).ID
	newer := draft("newer", "grace", "ada")
	newer.CollapseKey = "k"
	r.submit(newer)
	assert.Equal(t, []string{"welcome", "live", "older", "inbox", "newer"}, ada.received(5))
	assert.Equal(t, []string{"welcome", "live", "newer"}, grace.received(3))
	gone := ada.all()[3]
	assert.Equal(t, `{"recalled":["`+id+`"],"unread_count":1}`, withoutUnseen(gone.data))
	assert.Empty(t, gone.cursor, "that comes with what has taken its place")
	assert.Contains(t, string(ada.all()[4].data), `"replaces":"`+id+`"`)
	assert.NotContains(t, string(grace.all()[2].data), `"replaces"`)
	assert.Equal(t, []string{"welcome", "inbox", "newer", "live"}, r.connect("ada", service.Earliest).caughtUp())
}

// Run releases deferred notifications in time and in order.
func TestDeferred(t *testing.T) {
	r := newRig(t)
	d := r.connect("ada", "")
	begin := time.Now()
	for title, after := range map[string]time.Duration{"two": 250 * time.Millisecond, "one": 200 * time.Millisecond, "never": time.Hour} {
		later := draft(title, "ada")
		later.DeliverAt = begin.Add(after)
		r.submit(later)
	}
	ctx, stop := contextOf(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.service.Run(ctx)
	}()
	assert.Equal(t, []string{"welcome", "live", "one", "two"}, d.received(4))
	stop()
	<-done
}

// Unread notifications are counted in the store, which may be ahead of delivery: a
// later count includes those that an earlier one has left out.
func TestCountsDuringAReplacement(t *testing.T) {
	r := newRig(t)
	older := draft("older", "ada")
	older.CollapseKey = "k"
	r.submit(older)
	one := r.publish("one", "ada").ID
	d := r.connect("ada", "")
	ctx, stop := contextOf(t)
	done := make(chan struct{})
	go func() { defer close(done); r.hub.Run(ctx) }()
	newer := notify.Publish{
		ID: "00000000-0000-7000-8000-000000000001", Audience: notify.AudienceUser, Users: []notify.UserID{"ada"},
		CollapseKey: "k", Keep: r.keep, Content: []byte(`"id":"00000000-0000-7000-8000-000000000001","title":"newer"`),
	}
	for _, v := range r.journal.Append(t.Context(), // one group: the count at the mark is made after it
		notify.Mark{Reader: notify.Reader{User: "ada"}, Verb: notify.VerbRead, IDs: []string{one}, Keep: r.keep}, newer) {
		require.NoError(t, v.Err)
	}
	assert.Equal(t, []string{"welcome", "live", "inbox", "inbox", "newer"}, d.received(5))
	counts := data(d, "inbox")
	assert.Contains(t, counts[0], `"unread_count":0`) // with neither of them
	assert.Contains(t, counts[1], `"recalled":[`)
	assert.Contains(t, counts[1], `"unread_count":1`) // with what comes next
	stop()
	<-done
}
