package service_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/store"
	"github.com/bellhop/bellhop/internal/wire"
)

const one = "0193a5e8-7f6b-7c3d-9a41-5f0e2b8d6c10" // an id

// book is a journal and a store that answer as a test wants them to, and keep
// what they were asked.
type book struct {
	service.Store // nil: what is not here is not called

	durable  notify.Sequence
	verdicts []notify.Verdict // of what is appended next
	appended []notify.Entry

	free    uint64
	cursors *cursor.Keyring
	list    store.List
	asked   []question
}

// question is what the store was asked.
type question struct {
	reader       notify.Reader
	before, upTo notify.Sequence
	state        notify.InboxState
	limit        int
}

func (b *book) Append(_ context.Context, entries ...notify.Entry) []notify.Verdict {
	if g, ok := entries[0].(notify.Generation); ok {
		g.First = 1
		b.cursors.Add(g)
		return make([]notify.Verdict, 1)
	}
	b.appended = append(b.appended, entries...)
	v := b.verdicts[0]
	b.verdicts = b.verdicts[1:]
	return []notify.Verdict{v}
}

func (b *book) Durable() notify.Sequence { return b.durable }
func (b *book) Free() (uint64, error)    { return b.free, nil }
func (*book) Err() error                 { return nil }
func (b *book) Unread(r notify.Reader, upTo notify.Sequence) (int, error) {
	b.asked = append(b.asked, question{reader: r, upTo: upTo})
	return int(upTo), nil // told apart by where it was asked for
}

func (b *book) List(r notify.Reader, before, upTo notify.Sequence, state notify.InboxState, limit int, now time.Time) (store.List, error) {
	b.asked = append(b.asked, question{r, before, upTo, state, limit})
	if time.Since(now) > time.Minute {
		panic("it is later")
	}
	return b.list, nil
}

func newBook(t *testing.T, sets ...func(*service.Options)) (*book, *service.Service) {
	t.Helper()
	b := &book{durable: 9, free: 100, cursors: cursor.NewKeyring()}
	o := service.Options{
		Journal: b, Store: b, Hub: hub.New(hub.Options{}), Cursors: b.cursors, Logger: slog.New(slog.DiscardHandler), Metrics: noMetrics{},
		Keep: 7, Reserve: 50,
	}
	for _, set := range sets {
		set(&o)
	}
	i, err := service.Open(t.Context(), o)
	require.NoError(t, err)
	return b, i
}

// listener is ada with all that a token can say of whose inbox it reads.
func listener() notify.Principal {
	p := ada()
	p.Topics, p.Since = []notify.TopicPattern{"team"}, time.Unix(5, 0)
	return p
}

func (b *book) cursorAt(u notify.UserID, seq notify.Sequence) string {
	return string(b.cursors.Append(nil, cursor.TagOf(u), seq))
}

func TestMarking(t *testing.T) {
	b, i := newBook(t)
	for _, c := range []struct {
		which wire.Selection
		want  notify.Mark
	}{
		{wire.Selection{IDs: []string{one}}, notify.Mark{IDs: []string{one}}},
		{wire.Selection{Through: b.cursorAt("ada", 4)}, notify.Mark{Through: 4}},
		{wire.Selection{Through: b.cursorAt("ada", 9)}, notify.Mark{Through: 9}},
		{wire.Selection{All: true}, notify.Mark{Through: 9}},
	} {
		b.verdicts, b.appended, b.asked = []notify.Verdict{{Sequence: 12}}, nil, nil
		unread, err := i.Mark(t.Context(), listener(), notify.VerbArchive, c.which)
		require.NoError(t, err)
		assert.Equal(t, 12, unread, "counted where it was marked")
		c.want.Reader, c.want.Verb, c.want.Keep = notify.Reader{User: "ada", Since: time.Unix(5, 0), Topics: listener().Topics}, notify.VerbArchive, 7
		assert.Equal(t, []notify.Entry{c.want}, b.appended)
		assert.Equal(t, c.want.Reader, b.asked[0].reader)
	}
}

func TestAMarkIsAppendedUntilNothingIsLeft(t *testing.T) {
	b, i := newBook(t)
	b.verdicts = []notify.Verdict{{Sequence: 10, More: true}, {Sequence: 20, More: true}, {Sequence: 30}}
	unread, err := i.Mark(t.Context(), ada(), notify.VerbRead, wire.Selection{All: true})
	require.NoError(t, err)
	assert.Equal(t, 30, unread)
	require.Len(t, b.appended, 3)
	assert.Equal(t, b.appended[0], b.appended[2], "what was told meanwhile is not marked")
}

// A user who has marked much waits before marking more. One mark is carried out
// whole, whatever it comes to, and IDs that change nothing count for little.
func TestMarksAreLimitedByWhatTheyChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, i := newBook(t, func(o *service.Options) {
			o.Marks = limit.New(notify.Rate{Name: "notifications marked", Quota: 100, Window: 10 * time.Second}, 0)
		})
		mark := func(by notify.Principal, which wire.Selection, verdicts ...notify.Verdict) error {
			b.verdicts = verdicts
			_, err := i.Mark(t.Context(), by, notify.VerbRead, which)
			return err
		}
		all := wire.Selection{All: true}
		require.NoError(t, mark(ada(), all, notify.Verdict{Sequence: 10, Changed: 80, More: true}, notify.Verdict{Sequence: 11, Changed: 80}))
		var e *notify.Error
		require.ErrorAs(t, mark(ada(), all), &e)
		require.ErrorIs(t, e, notify.ErrLimit)
		assert.Equal(t, 6200*time.Millisecond, e.RetryAfter)
		require.NoError(t, mark(hears("grace"), all, notify.Verdict{Sequence: 12, Changed: 1}), "another user")

		time.Sleep(e.RetryAfter)
		require.NoError(t, mark(ada(), all, notify.Verdict{Sequence: 13}))
		require.Error(t, mark(ada(), all))
		time.Sleep(10 * time.Second)
		var ids []string
		for range 80 {
			ids = append(ids, one)
		}
		for n := range 9 {
			require.NoError(t, mark(ada(), wire.Selection{IDs: ids}, notify.Verdict{Sequence: 14}), n)
		}
		require.Error(t, mark(ada(), wire.Selection{IDs: ids}))
	})
}

func TestAMarkOfNothingTakesNoPlace(t *testing.T) {
	b, i := newBook(t)
	unread, err := i.Mark(t.Context(), ada(), notify.VerbRead, wire.Selection{IDs: []string{}})
	require.NoError(t, err)
	assert.Equal(t, 9, unread)
	assert.Empty(t, b.appended)
}

func TestRefusedMarks(t *testing.T) {
	b, i := newBook(t)
	mark := func(which wire.Selection) error {
		_, err := i.Mark(t.Context(), ada(), notify.VerbRead, which)
		return err
	}
	for _, through := range []string{
		service.Earliest, "nonsense", strings.Repeat("A", 32), b.cursorAt("grace", 4), b.cursorAt("ada", 4) + "A",
		b.cursorAt("ada", 10), // not reached
	} {
		err := mark(wire.Selection{Through: through})
		var e *notify.Error
		require.ErrorAs(t, err, &e, through)
		require.ErrorIs(t, err, notify.ErrInvalid, through)
		assert.Equal(t, "/through", e.Faults[0].Pointer)
	}
	_, err := i.Mark(t.Context(), backend(), notify.VerbRead, wire.Selection{All: true})
	require.ErrorIs(t, err, notify.ErrScope)
	assert.Empty(t, b.appended)

	b.verdicts = []notify.Verdict{{Err: notify.ErrUnavailable}, {More: true}, {Err: notify.Errorf(notify.ErrOutcomeUnknown, "with a key")}}
	require.ErrorIs(t, mark(wire.Selection{All: true}), notify.ErrUnavailable)
	err = mark(wire.Selection{All: true})
	require.ErrorIs(t, err, notify.ErrOutcomeUnknown)
	assert.NotContains(t, err.Error(), "key", "there is none")
}

func TestRecalling(t *testing.T) {
	b, i := newBook(t)
	b.verdicts = []notify.Verdict{{}, {Err: notify.ErrNotFound}, {Err: notify.ErrOutcomeUnknown}}
	require.NoError(t, i.Recall(t.Context(), notify.Principal{}, one))
	assert.Equal(t, []notify.Entry{notify.Recall{ID: one, Keep: 7}}, b.appended)
	require.ErrorIs(t, i.Recall(t.Context(), notify.Principal{}, one), notify.ErrNotFound)
	require.ErrorIs(t, i.Recall(t.Context(), notify.Principal{}, one), notify.ErrOutcomeUnknown)
	for _, id := range []string{"", "x", strings.ToUpper(one), one + "/x"} {
		require.ErrorIs(t, i.Recall(t.Context(), notify.Principal{}, id), notify.ErrNotFound, id)
	}
	assert.Len(t, b.appended, 3, "what can be no id is not looked for")
}

func TestListing(t *testing.T) {
	b, i := newBook(t)
	b.list = store.List{Notifications: []notify.Notification{{Sequence: 8}, {Sequence: 5}}, Next: 4}
	page, err := i.List(t.Context(), listener(), service.Query{State: notify.StateRead, Limit: 2})
	require.NoError(t, err)
	reader := notify.Reader{User: "ada", Since: time.Unix(5, 0), Topics: listener().Topics}
	assert.Equal(t, []question{{reader, 0, 9, notify.StateRead, 2}, {reader: reader, upTo: 9}}, b.asked)
	assert.Equal(t, 9, page.Unread)
	assert.Equal(t, b.cursorAt("ada", 9), page.Cursor)
	require.Len(t, page.Items, 2)
	assert.Equal(t, b.cursorAt("ada", 8), page.Items[0].Cursor)
	assert.Equal(t, b.cursorAt("ada", 5), page.Items[1].Cursor)

	assert.Equal(t, b.cursorAt("ada", 4), page.Next, "which may be further on")

	b.list.Next = 0
	page, err = i.List(t.Context(), listener(), service.Query{Before: page.Items[1].Cursor, Limit: 2})
	require.NoError(t, err)
	assert.EqualValues(t, 5, b.asked[2].before)
	assert.Empty(t, page.Next)

	b.list = store.List{}
	page, err = i.List(t.Context(), listener(), service.Query{Limit: 2})
	require.NoError(t, err)
	assert.NotNil(t, page.Items)
	for _, before := range []string{"nonsense", service.Earliest, b.cursorAt("grace", 5)} {
		_, err = i.List(t.Context(), listener(), service.Query{Before: before, Limit: 2})
		require.ErrorIs(t, err, notify.ErrMalformed)
	}
	_, err = i.List(t.Context(), backend(), service.Query{Limit: 2})
	require.ErrorIs(t, err, notify.ErrScope)
}

// What takes something back, and reading, must be possible when nothing else is.
func TestAFullDiskHindersMarksAlone(t *testing.T) {
	b := &book{durable: 9, free: 1, cursors: cursor.NewKeyring(), verdicts: []notify.Verdict{{}}}
	i, err := service.Open(t.Context(), service.Options{
		Journal: b, Store: b, Hub: hub.New(hub.Options{}), Cursors: b.cursors, Logger: slog.New(slog.DiscardHandler), Metrics: noMetrics{}, Reserve: 50,
	})
	require.NoError(t, err)
	_, err = i.Mark(t.Context(), ada(), notify.VerbRead, wire.Selection{All: true})
	require.ErrorIs(t, err, notify.ErrUnavailable)
	require.NoError(t, i.Recall(t.Context(), notify.Principal{}, one))
	_, err = i.List(t.Context(), ada(), service.Query{Limit: 1})
	require.NoError(t, err)
}
