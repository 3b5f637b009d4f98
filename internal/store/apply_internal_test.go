package store

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// bomb is an entry on which Apply panics.
type bomb struct{ notify.Entry }

func (bomb) reason() error { panic("a fault") }

// An entry on which Apply panics fails alone: it takes its sequence and changes nothing,
// and the entries that share its transaction are applied.
func TestAPanicWhileApplyingFailsOneEntry(t *testing.T) {
	s, err := openRules(t, vfs.NewMem())
	require.NoError(t, err)
	defer s.Close()
	publish := func(id string) notify.Publish {
		return notify.Publish{ID: id, Audience: notify.AudienceUser, Users: []notify.UserID{"ada"}, Content: []byte(`"id":"` + id + `"`)}
	}
	verdicts, changes, err := s.Apply(1, notify.Stamp(time.UnixMilli(1000), publish("a"), bomb{}, publish("b")))
	require.NoError(t, err)
	require.NoError(t, verdicts[0].Err)
	require.ErrorIs(t, verdicts[1].Err, notify.ErrNotApplied)
	assert.ErrorContains(t, verdicts[1].Err, "a fault")
	require.NoError(t, verdicts[2].Err)
	assert.Equal(t, []notify.Sequence{1, 2, 3}, []notify.Sequence{verdicts[0].Sequence, verdicts[1].Sequence, verdicts[2].Sequence})
	assert.Len(t, changes, 2)
	page, err := s.History(notify.Reader{User: "ada"}, 0, 3, 10)
	require.NoError(t, err)
	assert.Len(t, page.Notifications, 2)
}
