package service_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// An entry that no program of this version writes gets a verdict from the journal, and
// the journal goes on.
func TestTheJournalSurvivesInvalidEntries(t *testing.T) {
	r := newRig(t)
	for _, e := range []notify.Entry{
		nil,
		notify.Unknown{Reason: "kind 99"},
		notify.Publish{ID: "a", Audience: notify.AudienceUser},
		notify.Publish{ID: "a", Audience: notify.AudienceUser, Users: []notify.UserID{"ada", "ada"}},
		notify.Mark{Verb: notify.VerbRead, Through: 1},
		notify.Mark{Reader: notify.Reader{User: "ada"}, Verb: "forget", Through: 1},
		notify.Recall{},
		notify.Revocation{},
	} {
		before := r.journal.Durable()
		v := r.journal.Append(t.Context(), e)[0]
		require.ErrorIs(t, v.Err, notify.ErrNotApplied, "%#v", e)
		assert.Equal(t, before+1, v.Sequence)
		assert.Equal(t, before+1, r.journal.Durable())
	}
	require.NoError(t, r.service.Ready())
	v := r.journal.Append(t.Context(), notify.Publish{ID: "a", Audience: notify.AudienceUser, Users: []notify.UserID{"ada"}})[0]
	require.NoError(t, v.Err)
}
