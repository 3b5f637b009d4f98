package service_test

import (
	"testing"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/wire"

	"github.com/stretchr/testify/require"
)

// A page of an inbox is never older than the page before, although another node has listed that
// one: a client that resumes from the first page's cursor would not learn of the mark.
func TestALaterPageIsNotOlderThanTheOneBefore(t *testing.T) {
	j := &sharedJournal{t: t}
	ahead, behind := j.start("node-1"), j.start("node-2")
	defer ahead.close()
	defer behind.close()
	ahead.publish("one", "ada")
	ahead.publish("two", "ada")
	behind.catchUp()
	_, err := ahead.service.Mark(t.Context(), ada(), notify.VerbRead, wire.Selection{All: true})
	require.NoError(t, err)
	require.Less(t, behind.Durable(), ahead.Durable())

	first, err := ahead.service.List(t.Context(), ada(), service.Query{Limit: 1})
	require.NoError(t, err)
	behind.behind = notify.Errorf(notify.ErrUnavailable, "the journal cannot be reached")
	_, err = behind.service.List(t.Context(), ada(), service.Query{Before: first.Next, Limit: 1})
	require.ErrorIs(t, err, notify.ErrUnavailable)
	behind.behind = nil
	second, err := behind.service.List(t.Context(), ada(), service.Query{Before: first.Next, Limit: 1})
	require.NoError(t, err)
	require.Len(t, second.Items, 1)
	require.NotZero(t, second.Items[0].Read)
	require.Zero(t, second.Counts.Unread)

	_, err = behind.service.List(t.Context(), ada(), service.Query{Before: first.Next[1:] + "A", Limit: 1})
	require.ErrorIs(t, err, notify.ErrMalformed)
}
