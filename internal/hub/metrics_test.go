package hub_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
)

// One write in 16 is measured, from the time of its notification until the network has accepted
// all of it.
func TestDelaysOfDeliveriesAreSampled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newCounts()
		h := hub.New(hub.Options{Metrics: m})
		_, ada := connect(t, h, user("ada"))
		publish := func(seq notify.Sequence, at time.Time) {
			n := &notify.Notification{Sequence: seq, Time: at}
			h.Deliver(notify.Readers{Users: []notify.UserID{"ada"}}, at, &hub.Event{Sequence: seq, Content: hub.Notification{Notification: n}})
			synctest.Wait()
		}
		for seq := range notify.Sequence(16) {
			publish(seq+1, time.Now().Add(-time.Second))
		}
		require.Equal(t, []time.Duration{time.Second}, m.delays)

		resume := ada.stall()
		publish(17, time.Now())
		pass(3 * time.Second)
		require.Len(t, m.delays, 1, "the network has not accepted it yet")
		resume()
		synctest.Wait()
		require.Equal(t, []time.Duration{time.Second, 3 * time.Second}, m.delays)
		h.Drain(t.Context(), 0)
	})
}

// Replayed notifications and events of other kinds are not measured, and do not take the turn of
// one that is.
func TestDelaysOfReplaysAreNotMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newCounts()
		h := hub.New(hub.Options{Metrics: m})
		c, _ := join(t, h, user("ada"))
		old := &notify.Notification{Sequence: 1, Time: time.Now().Add(-time.Hour)}
		require.True(t, h.GoLive(c, 1, &hub.Event{Sequence: 1, Content: hub.Notification{Notification: old}, Unshared: true}))
		h.Deliver(everyone, time.Now(), &hub.Event{Content: hub.Live{}})
		synctest.Wait()
		require.Empty(t, m.delays)
		n := &notify.Notification{Sequence: 2, Time: time.Now()}
		h.Deliver(everyone, n.Time, &hub.Event{Sequence: 2, Content: hub.Notification{Notification: n}})
		synctest.Wait()
		require.Equal(t, []time.Duration{0}, m.delays)
		h.Drain(t.Context(), 0)
	})
}
