package store

import (
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// The index is bounded, whatever the number of feeds that are read and of their notifications. A
// feed that is used often stays in memory.
func TestTheIndexIsBounded(t *testing.T) {
	var x sequenceIndex
	x.setBound()
	add := func(feed string, n int) {
		r := &feedSequences{}
		for i := range n {
			r.single.add(notify.Sequence(i + 1))
		}
		x.feeds.Put(feed, r)
	}
	add("often", 1)
	const feeds, each = 200, maxIndexedSequences / 50
	for n := range feeds {
		add(fmt.Sprint(n), each)
		if _, ok := x.feeds.Get("often"); !ok {
			t.Fatalf("after %d feeds, the feed that is used often was removed", n)
		}
		x.apply([]indexChange{{owner: ofFeed("often"), seq: notify.Sequence(n + 2)}})
	}
	items := 0
	for n := range feeds {
		if f, ok := x.feeds.Peek(fmt.Sprint(n)); ok {
			items += f.len()
		}
	}
	assert.LessOrEqual(t, items, 2*(maxIndexedSequences+each))
	r, _ := x.feeds.Peek("often")
	assert.Equal(t, feeds+1, r.len())
}

// A load that panics is over: later readers of the feed do not wait for it.
func TestALoadThatPanicsEnds(t *testing.T) {
	var x sequenceIndex
	x.setBound()
	require.Panics(t, func() { _, _ = x.feed("team", &snapshots{}) }, "it has no database")
	assert.Empty(t, x.loads)
}

func publishTo(t *testing.T, s *Store, seq notify.Sequence, topic notify.Topic) {
	t.Helper()
	_, _, err := s.Apply(seq, notify.Stamp(time.UnixMilli(1), notify.Publish{
		ID: fmt.Sprint(seq), Audience: notify.AudienceTopic, Topics: []notify.Topic{topic}, Keep: 5,
	}))
	require.NoError(t, err)
}

// Apply does not wait for a feed that is being loaded, and the feed gets the changes that
// are applied meanwhile. Other readers of the feed wait for the one that loads it.
func TestApplyDoesNotWaitForALoad(t *testing.T) {
	s, err := Open("data", Options{FS: vfs.NewMem(), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	publishTo(t, s, 1, "project.1")
	reading := &indexLoad{done: make(chan struct{})}
	s.index.loads = map[string]*indexLoad{"project.*": reading}
	publishTo(t, s, 2, "project.2")
	require.Len(t, reading.changes, 1)
	assert.Equal(t, notify.Sequence(2), reading.changes[0].seq)

	counted := make(chan int)
	go func() {
		n, err := s.Unread(notify.Reader{User: "ada", Topics: []notify.TopicPattern{"project.*"}}, 2)
		assert.NoError(t, err)
		counted <- n
	}()
	v := s.snapshots.acquire()
	reading.feed, err = readFeedSequences(v, "project.*")
	v.release()
	require.NoError(t, err)
	close(reading.done)
	assert.Equal(t, 2, <-counted)
	require.NoError(t, s.Close())
}

// A feed that is loaded while entries are applied lacks no sequence and has none twice.
func TestLoadingWhileApplying(t *testing.T) {
	const last = 300
	s, err := Open("data", Options{FS: vfs.NewMem(), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	r := notify.Reader{User: "ada", Topics: []notify.TopicPattern{"project.*"}}
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				s.index.mu.Lock()
				s.index.feeds.Rotate()
				s.index.feeds.Rotate()
				s.index.mu.Unlock()
				_, err := s.Unread(r, last)
				assert.NoError(t, err)
			}
		})
	}
	for seq := notify.Sequence(1); seq <= last; seq++ {
		publishTo(t, s, seq, notify.Topic(fmt.Sprintf("project.%d", seq%7)))
	}
	close(done)
	readers.Wait()
	n, err := s.Unread(r, last)
	require.NoError(t, err)
	assert.Equal(t, 7*5, n, "five notifications are kept in each of seven topics")
	feed, ok := s.index.feeds.Peek("project.*")
	require.True(t, ok)
	assert.Equal(t, 7*5, feed.len())
	require.NoError(t, s.Close())
}
