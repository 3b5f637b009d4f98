package store

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// A reader either still finds a notification that a transaction has removed, or learns of the
// gap, also before the transaction is durable, and if the reader has an older snapshot.
func TestARemovalDuringAReadIsAGap(t *testing.T) {
	var holdNextSync atomic.Bool
	syncing, release := make(chan struct{}, 1), make(chan struct{})
	slow := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData) && holdNextSync.CompareAndSwap(true, false) {
			syncing <- struct{}{}
			<-release
		}
		return nil
	})
	s, err := Open("data", Options{FS: errorfs.Wrap(vfs.NewMem(), slow), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	publish := func(seq notify.Sequence) error {
		_, _, err := s.Apply(seq, notify.Stamp(time.UnixMilli(1), notify.Publish{
			ID: fmt.Sprint(seq), Audience: notify.AudienceTopic, Topics: []notify.Topic{"t"}, Keep: 2,
		}))
		return err
	}
	require.NoError(t, publish(1))
	require.NoError(t, publish(2))
	_, err = s.History(notify.Reader{User: "grace"}, 0, 2, 10) // acquires a snapshot, and reads no topic
	require.NoError(t, err)

	holdNextSync.Store(true)
	applied := make(chan error)
	go func() { applied <- publish(3) }()
	<-syncing
	page, err := s.History(notify.Reader{User: "ada", Topics: []notify.TopicPattern{"t"}}, 0, 2, 10)
	require.NoError(t, err)
	assert.True(t, len(page.Notifications) == 2 || page.Removed == 1, "%d notifications and no gap", len(page.Notifications))
	close(release)
	require.NoError(t, <-applied)
	require.NoError(t, s.Close())
}
