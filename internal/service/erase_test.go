package service_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/store"
)

// A token erases and exports only users within its bound.
func TestEraseWithinABound(t *testing.T) {
	r := newRig(t)
	by := tenants().userOf("acme", "acme:ada")
	for _, u := range []notify.UserID{"acme:grace", "bank:ada"} {
		_, err := r.service.Publish(t.Context(), backend(), service.Call{}, draft("a", u))
		require.NoError(t, err)
	}
	require.ErrorIs(t, r.service.Erase(t.Context(), by, "bank:ada"), notify.ErrScope)
	_, err := r.service.Export(t.Context(), by, "bank:ada", "")
	require.ErrorIs(t, err, notify.ErrScope)
	page, err := r.service.Export(t.Context(), by, "acme:grace", "")
	require.NoError(t, err)
	assert.Len(t, page.Kept, 1)
	require.NoError(t, r.service.Erase(t.Context(), by, "acme:grace"))
	page, err = r.service.Export(t.Context(), by, "acme:grace", "")
	require.NoError(t, err)
	assert.Empty(t, page.Kept)
	page, err = r.service.Export(t.Context(), backend(), "bank:ada", "")
	require.NoError(t, err)
	assert.Len(t, page.Kept, 1)
}

// A node purges its files after an erasure for which another node was asked, and repeats that until it
// succeeds: late if its disk has too little space.
func TestANodePurgesItsFilesAfterEachErasure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		l := &ledger{
			free: 1, unpurged: 7, logger: slog.New(slog.NewTextHandler(&log, nil)),
			purges: []error{errors.New("broken"), fmt.Errorf("purge: %w: 1 byte is free", store.ErrSpace), nil},
		}
		l.run(t)
		pass(time.Hour)
		assert.Equal(t, []time.Duration{2 * time.Second, 62 * time.Second, 662 * time.Second}, l.purgedAt)
		assert.Contains(t, log.String(), `msg="files not purged after an erasure: the disk has too little free space`)
		l.mu.Lock()
		l.unpurged, l.purges = 9, []error{nil}
		l.mu.Unlock()
		pass(time.Hour)
		assert.Len(t, l.purgedAt, 4)
	})
}

// between is a journal that calls do before each part of an erasure other than the first.
type between struct {
	notify.Journal
	do    func()
	parts int
}

func (b *between) Append(ctx context.Context, entries ...notify.Entry) []notify.Verdict {
	if _, ok := entries[0].(notify.Erase); ok {
		if b.parts++; b.parts > 1 {
			b.do()
		}
	}
	return b.Journal.Append(ctx, entries...)
}

// The connections of a user whose preferences hide notifications receive which ones an erasure removes,
// too, and then end because of it, and not because nothing is hidden any more. Until then, the same
// notifications stay hidden, also if the erasure takes several entries.
func TestAnErasureReachesConnectionsOfUsersWithRules(t *testing.T) {
	for _, all := range []int{3, 300} {
		j := &between{}
		r := newRig(t, func(r *rig) {
			r.wrapJournal = func(of notify.Journal) notify.Journal { j.Journal = of; return j }
		})
		j.do = func() { r.submit(toTopics("hidden", "muted")) }
		rules := []notify.PreferenceRule{{Topic: "muted", Level: notify.LevelOff}}
		ada, grace := subscriber("ada", "muted"), r.connect("grace", "")
		grace.caughtUp()
		require.NoError(t, r.service.SetPreferences(t.Context(), ada, notify.UserPreferences{User: "ada", Preferences: notify.Preferences{Rules: rules}}))
		r.publish("after the rules", "grace") // delivered after their change, which would end connections
		grace.wait(func(got []frame) bool { return got[len(got)-1].title == "after the rules" })
		var want []string
		for range all {
			want = append(want, r.publish("own", "ada").ID)
		}
		devices := []*device{r.connectAs(ada, service.Earliest), r.connectAs(subscriber("ada"), "")}
		require.NoError(t, r.service.Erase(t.Context(), backend(), "ada"))
		assert.Equal(t, all > 250, j.parts > 1, "%d parts", j.parts)
		for _, d := range devices {
			require.Eventually(t, func() bool { return d.reason() != notify.Close{} }, 10*time.Second, time.Millisecond)
			assert.Equal(t, notify.CloseDisconnected, d.reason())
			var recalled []string
			for _, f := range d.all() {
				var data struct{ Recalled []string }
				require.NoError(t, json.Unmarshal(f.data, &data))
				recalled = append(recalled, data.Recalled...)
				assert.NotEqual(t, "hidden", f.title)
			}
			assert.Equal(t, want, recalled)
		}
		left, err := r.service.Preferences(t.Context(), ada, "ada")
		require.NoError(t, err)
		assert.True(t, left.IsZero())
	}
}

// An erasure that does not go on is completed, and one that goes on is left to those who have begun it.
func TestErasuresThatDoNotGoOnAreCompleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &ledger{free: 1}
		l.run(t)
		for i := range 10 {
			l.mu.Lock()
			l.erasing = []notify.Erase{{User: "ada", From: fmt.Sprint(i)}}
			assert.Empty(t, l.erased)
			l.mu.Unlock()
			pass(time.Second)
		}
		pass(time.Minute)
		assert.Equal(t, []notify.Erase{{User: "ada", From: "9"}, {User: "ada", From: "9+"}, {User: "ada", From: "9++"}}, l.erased)
	})
}

// A process that stops in the middle of an erasure completes it after its next start, and purges its
// files.
func TestANodeCompletesAnErasureAfterAStart(t *testing.T) {
	r := newRig(t)
	for range 300 {
		r.publish("a", "ada")
	}
	require.True(t, r.journal.Append(t.Context(), notify.Erase{User: "ada"})[0].More)
	r.restart()
	left, err := r.store.Erasing()
	require.NoError(t, err)
	require.Len(t, left, 1)

	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.service.Run(ctx) })
	require.Eventually(t, func() bool {
		left, err := r.store.Erasing()
		return err == nil && len(left) == 0
	}, time.Minute, time.Millisecond)
	r.publish("later", "grace") // what was applied before it is known
	require.Eventually(t, func() bool { return r.store.Unpurged() == 0 }, time.Minute, time.Millisecond)
	stop()
	running.Wait()
	page, err := r.service.Export(t.Context(), backend(), "ada", "")
	require.NoError(t, err)
	require.Empty(t, page.Kept)
}

// tooFull is a store that has too little space to be purged.
type tooFull struct{ service.Store }

func (tooFull) Purge(context.Context, notify.Sequence) error { return store.ErrSpace }

// An erasure on a full disk says that the files have not been purged.
func TestAnErasureOnAFullDiskSaysWhatIsLeft(t *testing.T) {
	r := newRig(t, func(r *rig) { r.wrap = func(s *store.Store) service.Store { return tooFull{s} } })
	_, err := r.service.Publish(t.Context(), backend(), service.Call{}, draft("a", "ada"))
	require.NoError(t, err)
	err = r.service.Erase(t.Context(), backend(), "ada")
	require.ErrorIs(t, err, notify.ErrOutcomeUnknown)
	require.ErrorContains(t, err, "too little free space")
	page, err := r.service.Export(t.Context(), backend(), "ada", "")
	require.NoError(t, err)
	require.Empty(t, page.Kept)
}
