package console_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/console"
	"github.com/bellhop/bellhop/internal/notify"
)

// numbers returns a source of the samples "1", "2" and so on.
func numbers() func() []byte {
	n := 0
	return func() []byte {
		n++
		return strconv.AppendInt(nil, int64(n), 10)
	}
}

// running returns a feed whose sampler runs until the end of the test.
func running(t *testing.T, sample func() []byte) (*console.Feed, func()) {
	t.Helper()
	f := console.NewFeed()
	f.Open()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		f.Run(ctx, sample)
	}()
	synctest.Wait()
	return f, func() {
		cancel()
		<-ended
	}
}

func watch(t *testing.T, f *console.Feed) *console.Watcher {
	t.Helper()
	w, err := f.Watch()
	require.NoError(t, err)
	return w
}

// next returns the kind and the content of the next event.
func next(t *testing.T, w *console.Watcher) string {
	t.Helper()
	e, open := <-w.Events()
	require.True(t, open)
	return fmt.Sprint(e.Kind, " ", string(e.Data))
}

func TestAWatcherReceivesTheHistoryAndThenNewEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := running(t, numbers())
		defer stop()
		f.AddLine([]byte("a"), true)
		time.Sleep(2*console.Interval + 1)
		w := watch(t, f)
		require.Equal(t, [][]byte{[]byte("1"), []byte("2")}, w.Samples)
		require.Equal(t, [][]byte{[]byte("a")}, w.Lines)
		f.AddLine([]byte("b"), false)
		require.Equal(t, "audit b", next(t, w))
		require.Equal(t, "sample 3", next(t, w))
		require.Equal(t, "sample 4", next(t, w))
		w.Close()
		w.Close()
		_, open := <-w.Events()
		require.False(t, open)
	})
}

func TestOnlyTheLastSamplesAndLinesAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := running(t, numbers())
		defer stop()
		for n := range console.MaxLines + 2 {
			f.AddLine([]byte(strconv.Itoa(n)), true)
		}
		time.Sleep((console.MaxSamples+3)*console.Interval + 1)
		w := watch(t, f)
		require.Len(t, w.Samples, console.MaxSamples)
		require.Equal(t, "4", string(w.Samples[0]))
		require.Len(t, w.Lines, console.MaxLines)
		require.Equal(t, "2", string(w.Lines[0]))
	})
}

// Clients without a token can cause as many different lines as they like.
func TestOtherLinesDoNotDisplaceThoseAboutActions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := running(t, numbers())
		defer stop()
		kept := func() (actions, others int) {
			w := watch(t, f)
			defer w.Close()
			require.Len(t, w.Lines, console.MaxLines)
			for _, line := range w.Lines {
				if line[0] == 'a' {
					actions++
				}
			}
			return actions, len(w.Lines) - actions
		}
		add := func(kind string, n int) {
			for i := range n {
				f.AddLine(fmt.Append(nil, kind, i), kind == "action")
			}
		}
		add("action", 10)
		add("other", 1_000)
		actions, others := kept()
		require.Equal(t, []int{10, console.MaxLines - 10}, []int{actions, others})
		w := watch(t, f)
		require.Equal(t, "action0", string(w.Lines[0]))
		require.Equal(t, "other999", string(w.Lines[console.MaxLines-1]))
		w.Close()

		add("action", 1_000)
		add("other", 1_000)
		actions, others = kept()
		require.Equal(t, []int{console.MaxLines / 2, console.MaxLines / 2}, []int{actions, others})
	})
}

// A page that does not read costs the others nothing, and no sample waits for it.
func TestASlowWatcherIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := running(t, numbers())
		defer stop()
		slow, good := watch(t, f), watch(t, f)
		for n := range 300 {
			f.AddLine([]byte(strconv.Itoa(n)), true)
			require.Equal(t, fmt.Sprint("audit ", n), next(t, good))
		}
		received := 0
		for range slow.Events() { // until it is closed
			received++
		}
		require.Less(t, received, 300)
		slow.Close()
		require.Equal(t, "sample 1", next(t, good))
	})
}

func TestThereAreAtMost32Watchers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := running(t, numbers())
		defer stop()
		first := watch(t, f)
		for range console.MaxWatchers - 1 {
			watch(t, f)
		}
		_, err := f.Watch()
		require.ErrorIs(t, err, notify.ErrUnavailable)
		first.Close()
		watch(t, f)
	})
}

// A node that starts again within its process goes on with the same feed.
func TestAFeedThatHasEndedHasNoWatchersUntilItRunsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, stop := running(t, numbers())
		time.Sleep(console.Interval + 1)
		w := watch(t, f)
		f.End()
		_, open := <-w.Events()
		require.False(t, open)
		_, err := f.Watch()
		require.ErrorIs(t, err, notify.ErrUnavailable)
		f.AddLine([]byte("kept"), true)
		stop()

		ctx, cancel := context.WithCancel(t.Context())
		f.Open()
		go f.Run(ctx, func() []byte { return nil })
		synctest.Wait()
		w = watch(t, f)
		require.Len(t, w.Samples, 1)
		require.Len(t, w.Lines, 1)
		cancel()
		_, open = <-w.Events()
		require.False(t, open)
	})
}
