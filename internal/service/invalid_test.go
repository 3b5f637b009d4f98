package service_test

import (
	"testing"
	"time"

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

// A request may name any time of RFC 3339, and the state keeps times from 1970 on.
func TestTimesBefore1970(t *testing.T) {
	for _, at := range []time.Time{
		time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC),
		time.Unix(0, 0),
	} {
		r := newRig(t)
		d := draft("early", "ada")
		d.DeliverAt = at
		r.submit(d)
		assert.Contains(t, r.connect("ada", "earliest").received(3), "early", "delivered at once")
		require.NoError(t, r.service.Revoke(t.Context(), notify.Principal{}, notify.Revocation{User: "ada", Before: at}))
		assert.False(t, r.service.Revoked(ada()), "a token of today stays valid")
		assert.True(t, r.service.Revoked(notify.Principal{User: "ada"}), "a token without iat is revoked")
	}
}
