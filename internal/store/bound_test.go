package store_test

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// A recall within a bound finds what reaches nobody beyond it, stored or deferred,
// and else there is nothing.
func TestRecallWithinABound(t *testing.T) {
	bound := &notify.Bound{Prefix: "acme:", Topics: []notify.TopicPattern{"acme.*"}}
	for name, test := range map[string]struct {
		to    notify.Publish
		found bool
	}{
		"users within":       {toUsers(1, "", "acme:ada", "acme:grace"), true},
		"a user beyond":      {toUsers(1, "", "acme:ada", "bank:ada"), false},
		"one user beyond":    {toUsers(1, "", "bank:ada"), false},
		"topics within":      {toTopics(1, "acme.a", "acme.b"), true},
		"a topic beyond":     {toTopics(1, "acme.a", "acme"), false},
		"everyone":           {notify.Publish{ID: idOf(1), Audience: notify.AudienceAll}, false},
		"deferred, within":   {deferredTo(toUsers(1, "", "acme:ada")), true},
		"deferred, beyond":   {deferredTo(toTopics(1, "bank")), false},
		"deferred, to all":   {deferredTo(notify.Publish{ID: idOf(1), Audience: notify.AudienceAll}), false},
		"nobody's prefix at": {toUsers(1, "", "acme"), false},
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
			require.Equal(t, none, err, "as if there were none")
			require.NoError(t, again, "it was left alone")
		})
	}
}

func deferredTo(e notify.Publish) notify.Publish {
	e.DeliverAt = noon().Add(time.Hour)
	return e
}
