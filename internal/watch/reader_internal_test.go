package watch

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// The server of the file system becomes unreachable and reachable again.
func TestAReadThatNeverReturnsBlocksNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var reads atomic.Int32
		var gone atomic.Pointer[chan struct{}] // closed when the server is back
		here := make(chan struct{})
		close(here)
		gone.Store(&here)
		r := &reader{most: 10, read: func(string, int64) ([]byte, error) {
			n := reads.Add(1)
			<-*gone.Load()
			return []byte{byte(n)}, nil
		}}
		s := New(Options[byte]{What: "texts", Name: "a test", Load: files(r, func(_ context.Context, contents [][]byte) (byte, error) {
			return contents[0][0], nil
		}, []string{"file"})})
		require.NoError(t, s.Start(t.Context()))
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			s.Run(ctx)
		}()

		back := make(chan struct{})
		gone.Store(&back)
		require.ErrorContains(t, s.Reload(t.Context()), "could not be read within 5s")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.EqualValues(t, 2, reads.Load(), "there is no second read of the file meanwhile")
		require.EqualValues(t, 1, s.Current(), "the last good version stays")

		close(back)
		require.NoError(t, s.Reload(t.Context()))
		require.NoError(t, s.Reload(t.Context()))
		require.EqualValues(t, reads.Load(), s.Current())

		again := make(chan struct{})
		gone.Store(&again)
		time.Sleep(FilePoll)
		synctest.Wait() // a read is under way
		stop()
		<-ended
		close(again)
	})
}
