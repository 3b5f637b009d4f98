package store_test

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// A recall within a bound succeeds if the bound permits all users and topics of the
// notification, stored or deferred. Otherwise its error is the same as for an unknown ID.
func TestRecallWithinABound(t *testing.T) {
	bound := &notify.Bound{Prefix: "acme:", Topics: []notify.TopicPattern{"acme.*"}}
	for name, test := range map[string]struct {
		to    notify.Publish
		found bool
	}{
		"users within":          {toUsers(1, "", "acme:ada", "acme:grace"), true},
		"one user outside":      {toUsers(1, "", "acme:ada", "bank:ada"), false},
		"the only user outside": {toUsers(1, "", "bank:ada"), false},
		"topics within":         {toTopics(1, "acme.a", "acme.b"), true},
		"one topic outside":     {toTopics(1, "acme.a", "acme"), false},
		"everyone":              {notify.Publish{ID: idOf(1), Audience: notify.AudienceAll}, false},
		"deferred, within":      {deferredTo(toUsers(1, "", "acme:ada")), true},
		"deferred, outside":     {deferredTo(toTopics(1, "bank")), false},
		"deferred, to all":      {deferredTo(notify.Publish{ID: idOf(1), Audience: notify.AudienceAll}), false},
		"the user's name is shorter than the prefix": {toUsers(1, "", "acme"), false},
	} {
		t.Run(name, func(t *testing.T) {
			s := openIn(t, vfs.NewMem())
			defer s.Close()
			apply(t, s, noon(), test.to)
			none := apply(t, s, noon(), notify.Recall{ID: idOf(2), Within: bound})[0].Err
			require.ErrorIs(t, none, notify.ErrNotFound)
			err := apply(t, s, noon(), notify.Recall{ID: idOf(1), Within: bound})[0].Err
			again := apply(t, s, noon(), notify.Recall{ID: idOf(1)})[0].Err
			if test.found {
				require.NoError(t, err)
				require.ErrorIs(t, again, notify.ErrNotFound)
				return
			}
			require.Equal(t, none, err, "the same error as for an unknown ID")
			require.NoError(t, again, "the notification was not removed")
		})
	}
}

func deferredTo(e notify.Publish) notify.Publish {
	e.DeliverAt = noon().Add(time.Hour)
	return e
}
