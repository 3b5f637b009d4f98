package hub_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
)

// A notification that wants a receipt counts as written when the network has accepted all of it, and
// never if the connection ends before.
func TestWrittenIsCalledWhenAllIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var written []notify.Sequence
		h := hub.New(hub.Options{Written: func(_ notify.UserID, n *notify.Notification) { written = append(written, n.Sequence) }})
		_, ada := connect(t, h, user("ada"))
		publish := func(seq notify.Sequence, receipt bool) {
			n := &notify.Notification{Sequence: seq, Receipt: receipt}
			deliverTo := notify.Readers{Users: []notify.UserID{"ada"}}
			h.Deliver(deliverTo, n.Time, &hub.Event{Sequence: seq, Content: hub.Notification{Notification: n}})
			synctest.Wait()
		}
		publish(1, true)
		publish(2, false)
		require.Equal(t, []notify.Sequence{1}, written)

		resume := ada.stall()
		publish(3, true)
		require.Equal(t, []notify.Sequence{1}, written, "a part of it may have been written")
		resume()
		synctest.Wait()
		require.Equal(t, []notify.Sequence{1, 3}, written)

		ada.stall()
		publish(4, true)
		h.Disconnect("ada", "", notify.CloseSlow)
		synctest.Wait()
		require.Equal(t, []notify.Sequence{1, 3}, written)
		h.Drain(t.Context(), 0)
	})
}

// A receipt is not noted after the user was disconnected, since that may be because of an erasure, after
// which nothing may be kept of the user.
func TestWrittenIsNotCalledAfterDisconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var written []notify.Sequence
		h := hub.New(hub.Options{Written: func(_ notify.UserID, n *notify.Notification) { written = append(written, n.Sequence) }})
		_, ada := connect(t, h, user("ada"))
		resume := ada.stall()
		n := &notify.Notification{Sequence: 3, Receipt: true}
		h.Deliver(notify.Readers{Users: []notify.UserID{"ada"}}, n.Time, &hub.Event{Sequence: 3, Content: hub.Notification{Notification: n}})
		synctest.Wait()
		h.Disconnect("ada", "", notify.CloseDisconnected)
		resume()
		synctest.Wait()
		require.Empty(t, written)
		h.Drain(t.Context(), 0)
	})
}

// A write that fails delivers nothing.
func TestWrittenIsNotCalledAfterAWriteThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var written []notify.Sequence
		h := hub.New(hub.Options{Written: func(_ notify.UserID, n *notify.Notification) { written = append(written, n.Sequence) }})
		_, ada := connect(t, h, user("ada"))
		ada.mu.Lock()
		ada.fails = errors.New("connection reset by peer")
		ada.mu.Unlock()
		n := &notify.Notification{Sequence: 3, Receipt: true}
		h.Deliver(notify.Readers{Users: []notify.UserID{"ada"}}, n.Time, &hub.Event{Sequence: 3, Content: hub.Notification{Notification: n}})
		synctest.Wait()
		require.Empty(t, written)
		h.Drain(t.Context(), 0)
	})
}
