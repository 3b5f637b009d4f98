package service_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// deliveries keeps the Delivered entries that are appended.
type deliveries struct {
	notify.Journal

	mu      sync.Mutex
	entries [][]notify.Delivery
	fail    int // how many are refused first
}

func (d *deliveries) Append(ctx context.Context, entries ...notify.Entry) []notify.Verdict {
	e, ok := entries[0].(notify.Delivered)
	if !ok {
		return d.Journal.Append(ctx, entries...)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail > 0 {
		d.fail--
		return []notify.Verdict{{Err: notify.ErrUnavailable}}
	}
	d.entries = append(d.entries, e.Deliveries)
	return []notify.Verdict{{}}
}

// Many deliveries share few entries, repeats are recorded once while they wait, and those that
// could not be stored are tried again. An ephemeral notification is not recorded.
func TestDeliveriesAreRecordedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &deliveries{fail: 3}
		r := &rig{t: t, fs: vfs.NewCrashableMem(), keep: 10, wrapJournal: func(j notify.Journal) notify.Journal { d.Journal = j; return d }}
		r.start()
		defer r.stop()
		n := &notify.Notification{Sequence: 7, Receipt: true}
		for range 2 {
			for i := range 2*notify.MaxDeliveries + 1 {
				r.service.Written(notify.UserID(fmt.Sprint("user", i)), n)
			}
		}
		r.service.Written("ada", &notify.Notification{Receipt: true})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { r.service.Run(ctx) })
		time.Sleep(5 * time.Second) // of the bubble's clock
		synctest.Wait()
		cancel()
		running.Wait()
		require.Len(t, d.entries, 3)
		assert.Len(t, d.entries[0], notify.MaxDeliveries)
		assert.Len(t, d.entries[2], 1)
		assert.Equal(t, notify.Delivery{User: "user0", Sequence: 7}, d.entries[0][0])
	})
}

// Deliveries to a user that wait when the user is erased are forgotten, and those to others are not.
func TestPendingDeliveriesToAnErasedUserAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &deliveries{}
		r := &rig{t: t, fs: vfs.NewCrashableMem(), keep: 10, wrapJournal: func(j notify.Journal) notify.Journal { d.Journal = j; return d }}
		r.start()
		defer r.stop()
		n := &notify.Notification{Sequence: 7, Receipt: true}
		for _, u := range []notify.UserID{"grace", "ada", "eve"} {
			r.service.Written(u, n)
		}
		require.NoError(t, r.service.Erase(t.Context(), backend(), "ada"))
		synctest.Wait() // the erasure is delivered
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { r.service.Run(ctx) })
		time.Sleep(time.Second) // of the bubble's clock
		cancel()
		running.Wait()
		require.Equal(t, [][]notify.Delivery{{{User: "grace", Sequence: 7}, {User: "eve", Sequence: 7}}}, d.entries)
	})
}
