package service_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/store"
	"github.com/bellhop/bellhop/internal/wire"
)

const one = "0193a5e8-7f6b-7c3d-9a41-5f0e2b8d6c10" // an ID that no notification has

// observed is a journal that keeps what is appended to it, and can fail.
type observed struct {
	notify.Journal
	appended []notify.Entry
	failures []error                       // of the next appends; nil: that one does not fail
	after    func(notify.Entry, *observed) // called after each append, if set
}

func (o *observed) Append(ctx context.Context, entries ...notify.Entry) []notify.Verdict {
	if len(o.failures) > 0 {
		err := o.failures[0]
		o.failures = o.failures[1:]
		if err != nil {
			return []notify.Verdict{{Err: err}}
		}
	}
	verdicts := o.Journal.Append(ctx, entries...)
	o.appended = append(o.appended, entries...)
	if o.after != nil {
		o.after(entries[0], o)
	}
	return verdicts
}

// newObservedRig returns a rig with a journal that is observed from now on.
func newObservedRig(t *testing.T, sets ...func(*rig)) (*rig, *observed) {
	o := &observed{}
	r := newRig(t, append(sets, func(r *rig) {
		r.wrapJournal = func(j notify.Journal) notify.Journal { o.Journal = j; return o }
	})...)
	o.appended = nil
	return r, o
}

// listener is ada with a token that names a topic and hides old broadcasts.
func listener() notify.Principal {
	p := ada()
	p.Topics, p.Since = []notify.TopicPattern{"team"}, time.Unix(5, 0)
	return p
}

func (r *rig) cursorAt(u notify.UserID, seq notify.Sequence) string {
	return string(r.cursors.Append(nil, cursor.TagOf(u), seq))
}

// titles lists an inbox in a state, newest first.
func (r *rig) titles(p notify.Principal, state notify.InboxState) (titles []string) {
	r.t.Helper()
	page, err := r.service.List(r.t.Context(), p, service.Query{Filter: notify.Filter{State: state}, Limit: 100})
	require.NoError(r.t, err)
	for _, item := range page.Items {
		_, rest, _ := strings.Cut(string(item.Content), `"title":"`)
		title, _, _ := strings.Cut(rest, `"`)
		titles = append(titles, title)
	}
	return titles
}

func TestMarking(t *testing.T) {
	r, o := newObservedRig(t, func(r *rig) { r.keep = 7 })
	p := listener()
	first := r.publish("first", "ada").ID
	r.submit(toTopics("second", "team"))
	third := r.journal.Durable() + 1
	r.publish("third", "ada")
	r.publish("fourth")
	r.publish("another user's", "grace")
	for _, c := range []struct {
		which wire.Selection
		want  notify.Mark
		left  []string // unread
	}{
		{wire.Selection{IDs: []string{first}}, notify.Mark{IDs: []string{first}}, []string{"fourth", "third", "second"}},
		{wire.Selection{Through: r.cursorAt("ada", third)}, notify.Mark{Through: third}, []string{"fourth"}},
		{wire.Selection{Through: r.cursorAt("ada", third)}, notify.Mark{Through: third}, []string{"fourth"}},
		{wire.Selection{All: true}, notify.Mark{}, nil},
	} {
		c.want.Reader, c.want.Verb, c.want.Keep = p.Reader(), notify.VerbArchive, 7
		if c.which.All {
			c.want.Through = r.journal.Durable()
		}
		o.appended = nil
		counts, err := r.service.Mark(t.Context(), p, notify.VerbArchive, c.which)
		require.NoError(t, err)
		assert.Len(t, c.left, counts.Unread)
		assert.Equal(t, c.left, r.titles(p, notify.StateUnread))
		assert.Equal(t, []notify.Entry{c.want}, o.appended)
	}
	assert.Equal(t, []string{"fourth", "third", "second", "first"}, r.titles(p, notify.StateArchived))
	assert.Equal(t, []string{"another user's", "fourth"}, r.titles(subscriber("grace"), notify.StateUnread))
}

// publishMany publishes n notifications to ada.
func (r *rig) publishMany(n int) {
	r.t.Helper()
	items := make([]wire.BatchItem, n)
	for i := range items {
		items[i].Draft = draft(fmt.Sprint(i), "ada")
	}
	for items := range slices.Chunk(items, notify.MaxBatch) {
		for _, result := range r.service.PublishBatch(r.t.Context(), backend(), service.Call{}, items) {
			require.NoError(r.t, result.Err)
		}
	}
}

func TestAMarkIsAppendedUntilNothingIsLeft(t *testing.T) {
	r, o := newObservedRig(t)
	r.publishMany(600) // more than one entry changes
	through := r.journal.Durable()
	o.appended = nil
	o.after = func(e notify.Entry, o *observed) {
		if _, ok := e.(notify.Mark); ok && len(o.appended) == 1 {
			r.publish("meanwhile", "ada")
		}
	}
	counts, err := r.service.Mark(t.Context(), ada(), notify.VerbRead, wire.Selection{All: true})
	require.NoError(t, err)
	assert.Equal(t, 1, counts.Unread, "a notification that came meanwhile is not marked")
	assert.Equal(t, []string{"meanwhile"}, r.titles(ada(), notify.StateUnread))
	marks := 0
	for _, e := range o.appended {
		if mark, ok := e.(notify.Mark); ok {
			assert.Equal(t, through, mark.Through)
			marks++
		}
	}
	assert.Greater(t, marks, 1)
}

// A user who has changed many notifications waits before changing more. One request
// is carried out whole, and IDs that change nothing count for little.
func TestMarksAreLimitedByTheNumberOfChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(r *rig) {
			r.marks = limit.New(notify.Rate{Name: "notifications marked", Quota: 100, Window: 10 * time.Second}, 0)
		})
		mark := func(by notify.Principal, which wire.Selection) error {
			_, err := r.service.Mark(t.Context(), by, notify.VerbRead, which)
			return err
		}
		all := wire.Selection{All: true}
		r.publishMany(160)
		require.NoError(t, mark(ada(), all))
		var e *notify.Error
		require.ErrorAs(t, mark(ada(), all), &e)
		require.ErrorIs(t, e, notify.ErrLimit)
		assert.Equal(t, 6200*time.Millisecond, e.RetryAfter)
		require.NoError(t, mark(subscriber("grace"), all), "another user")

		pass(e.RetryAfter)
		require.NoError(t, mark(ada(), all))
		require.Error(t, mark(ada(), all))
		pass(10 * time.Second)
		ids := slices.Repeat([]string{one}, 80)
		for n := range 9 {
			require.NoError(t, mark(ada(), wire.Selection{IDs: ids}), n)
		}
		require.Error(t, mark(ada(), wire.Selection{IDs: ids}))
	})
}

func TestAnEmptyMarkIsNotAppended(t *testing.T) {
	r, o := newObservedRig(t)
	r.publish("counts.Unread", "ada")
	o.appended = nil
	counts, err := r.service.Mark(t.Context(), ada(), notify.VerbRead, wire.Selection{IDs: []string{}})
	require.NoError(t, err)
	assert.Equal(t, 1, counts.Unread)
	assert.Empty(t, o.appended)
}

func TestRefusedMarks(t *testing.T) {
	r, o := newObservedRig(t)
	mark := func(which wire.Selection) error {
		_, err := r.service.Mark(t.Context(), ada(), notify.VerbRead, which)
		return err
	}
	last := r.journal.Durable()
	for _, through := range []string{
		service.Earliest, "nonsense", strings.Repeat("A", 32), r.cursorAt("grace", last), r.cursorAt("ada", last) + "A",
		r.cursorAt("ada", last+1), // not reached
	} {
		err := mark(wire.Selection{Through: through})
		var e *notify.Error
		require.ErrorAs(t, err, &e, through)
		require.ErrorIs(t, err, notify.ErrInvalid, through)
		assert.Equal(t, "/through", e.Faults[0].Pointer)
	}
	_, err := r.service.Mark(t.Context(), backend(), notify.VerbRead, wire.Selection{All: true})
	require.ErrorIs(t, err, notify.ErrScope)
	assert.Empty(t, o.appended)

	r.publishMany(300)
	o.failures = []error{notify.ErrUnavailable, nil, notify.Errorf(notify.ErrOutcomeUnknown, "retry with the same key")}
	require.ErrorIs(t, mark(wire.Selection{All: true}), notify.ErrUnavailable)
	err = mark(wire.Selection{All: true})
	require.ErrorIs(t, err, notify.ErrOutcomeUnknown)
	assert.NotContains(t, err.Error(), "key", "a mark has none")
	require.NoError(t, mark(wire.Selection{All: true}), "a retry does no harm")
	assert.Empty(t, r.titles(ada(), notify.StateUnread))
}

func TestRecalling(t *testing.T) {
	r, o := newObservedRig(t, func(r *rig) { r.keep = 7 })
	id := r.publish("recalled", "ada").ID
	o.appended = nil
	require.NoError(t, r.service.Recall(t.Context(), notify.Principal{}, id))
	assert.Equal(t, []notify.Entry{notify.Recall{ID: id, Keep: 7}}, o.appended)
	assert.Empty(t, r.titles(ada(), notify.StateAll))
	require.ErrorIs(t, r.service.Recall(t.Context(), notify.Principal{}, id), notify.ErrNotFound)
	o.failures = []error{notify.ErrOutcomeUnknown}
	require.ErrorIs(t, r.service.Recall(t.Context(), notify.Principal{}, id), notify.ErrOutcomeUnknown)
	o.appended = nil
	for _, id := range []string{"", "x", strings.ToUpper(id), id + "/x"} {
		require.ErrorIs(t, r.service.Recall(t.Context(), notify.Principal{}, id), notify.ErrNotFound, id)
	}
	assert.Empty(t, o.appended, "a string that cannot be an ID is not looked for")
}

func TestListing(t *testing.T) {
	r := newRig(t)
	p := listener()
	page, err := r.service.List(t.Context(), p, service.Query{Limit: 2})
	require.NoError(t, err)
	assert.NotNil(t, page.Items)
	assert.Empty(t, page.Items)

	r.publish("first", "ada")
	firstAt := r.journal.Durable()
	r.publish("second")
	r.submit(toTopics("third", "team"))
	thirdAt := r.journal.Durable()
	r.publish("another user's", "grace")
	page, err = r.service.List(t.Context(), p, service.Query{Limit: 2})
	require.NoError(t, err)
	assert.Equal(t, 3, page.Counts.Unread)
	assert.Equal(t, r.cursorAt("ada", r.journal.Durable()), page.Cursor)
	require.Len(t, page.Items, 2)
	assert.Equal(t, r.cursorAt("ada", thirdAt), page.Items[0].Cursor)
	require.NotEmpty(t, page.Next)

	page, err = r.service.List(t.Context(), p, service.Query{Before: page.Next, Limit: 2})
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	assert.Equal(t, r.cursorAt("ada", firstAt), page.Items[0].Cursor)
	assert.Empty(t, page.Next)

	for _, before := range []string{"nonsense", service.Earliest, r.cursorAt("grace", firstAt)} {
		_, err = r.service.List(t.Context(), p, service.Query{Before: before, Limit: 2})
		require.ErrorIs(t, err, notify.ErrMalformed)
	}
	_, err = r.service.List(t.Context(), backend(), service.Query{Limit: 2})
	require.ErrorIs(t, err, notify.ErrScope)
}

// fullDisk is a store whose disk has no free space.
type fullDisk struct{ service.Store }

func (fullDisk) Free() (uint64, error) { return 0, nil }

// Recalling and reading free no space, but an operator needs them most when nothing
// else works.
func TestAFullDiskRefusesMarksOnly(t *testing.T) {
	r := newRig(t)
	id := r.publish("kept", "ada").ID
	r.stop()
	r.reserve = 1
	r.wrap = func(s *store.Store) service.Store { return fullDisk{s} }
	r.start()
	_, err := r.service.Mark(t.Context(), ada(), notify.VerbRead, wire.Selection{All: true})
	require.ErrorIs(t, err, notify.ErrUnavailable)
	assert.Equal(t, []string{"kept"}, r.titles(ada(), notify.StateAll))
	require.NoError(t, r.service.Recall(t.Context(), notify.Principal{}, id))
	assert.Empty(t, r.titles(ada(), notify.StateAll))
}

// quorum is a journal that, once lost, stores nothing and answers after five seconds as that of a
// cluster does.
type quorum struct {
	notify.Journal
	lost bool
}

func (q *quorum) Append(ctx context.Context, entries ...notify.Entry) []notify.Verdict {
	if !q.lost {
		return q.Journal.Append(ctx, entries...)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	<-ctx.Done()
	return slices.Repeat([]notify.Verdict{{Err: notify.Errorf(notify.ErrUnavailable, "no quorum")}}, len(entries))
}

// losing is a journal that stores nothing after some marks.
type losing struct {
	notify.Journal
	marks int
}

func (l *losing) Append(ctx context.Context, entries ...notify.Entry) []notify.Verdict {
	if _, ok := entries[0].(notify.Mark); ok {
		if l.marks == 0 {
			return []notify.Verdict{{Err: notify.Errorf(notify.ErrUnavailable, "no quorum")}}
		}
		l.marks--
	}
	return l.Journal.Append(ctx, entries...)
}

// A mark whose first step is stored has begun, so a refusal of a further one is not the answer: that
// would mean that nothing has changed.
func TestAMarkThatIsStoredInPartIsNotUnavailable(t *testing.T) {
	l := &losing{}
	r := newRig(t, func(r *rig) {
		r.wrapJournal = func(j notify.Journal) notify.Journal { l.Journal = j; return l }
	})
	for range 300 {
		r.publish("kept", "ada")
	}
	_, err := r.service.Mark(t.Context(), ada(), notify.VerbRead, wire.Selection{All: true})
	require.ErrorIs(t, err, notify.ErrUnavailable)
	require.Len(t, r.titles(ada(), notify.StateUnread), 100, "as many as a page has")

	l.marks = 1
	_, err = r.service.Mark(t.Context(), ada(), notify.VerbRead, wire.Selection{All: true})
	require.ErrorIs(t, err, notify.ErrOutcomeUnknown)
	require.Len(t, r.titles(ada(), notify.StateUnread), 50)
}

// Changes of one user that wait for each other do not add up their waits for a journal that cannot
// store anything. Time passes only when all are waiting.
func TestChangesAreAnsweredWithinFiveSecondsWithoutAQuorum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &quorum{}
		r := newRig(t, func(r *rig) {
			r.wrapJournal = func(j notify.Journal) notify.Journal { q.Journal = j; return q }
		})
		r.publish("kept", "ada")
		q.lost = true
		var wg sync.WaitGroup
		changes := []func() error{
			func() error {
				_, err := r.service.Mark(t.Context(), ada(), notify.VerbRead, wire.Selection{All: true})
				return err
			},
			func() error {
				return r.service.SetPreferences(t.Context(), ada(), notify.UserPreferences{User: "ada"})
			},
		}
		for i := range 4 {
			wg.Go(func() {
				from := time.Now()
				assert.ErrorIs(t, changes[i%2](), notify.ErrUnavailable)
				assert.LessOrEqual(t, time.Since(from), 5*time.Second)
			})
		}
		wg.Wait()
	})
}
