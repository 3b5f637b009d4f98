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

// However many nodes are read, and however much each has, what is in memory is
// bounded, and what is read again and again stays there.
func TestRanksAreBounded(t *testing.T) {
	var c sequenceIndex
	add := func(feed string, n int) {
		r := &feedSequences{}
		for i := range n {
			r.single.add(notify.Sequence(i + 1))
		}
		c.putLocked(feed, r)
	}
	add("often", 1)
	const feeds, each = 200, maxIndexedSequences / 50
	for n := range feeds {
		add(fmt.Sprint(n), each)
		if _, ok := c.findLocked("often"); !ok {
			t.Fatalf("after %d nodes what is read often is gone", n)
		}
		c.apply([]indexChange{{owner: ofFeed("often"), seq: notify.Sequence(n + 2)}})
	}
	items := 0
	for _, all := range []map[string]*feedSequences{c.current, c.previous} {
		for _, r := range all {
			items += r.len()
		}
	}
	assert.LessOrEqual(t, items, 2*(maxIndexedSequences+each))
	r, _ := c.findLocked("often")
	assert.Equal(t, feeds+1, r.len())
}

func publishTo(t *testing.T, s *Store, seq notify.Sequence, topic notify.Topic) {
	t.Helper()
	_, _, err := s.Apply(seq, time.UnixMilli(1), []notify.Entry{notify.Publish{
		ID: fmt.Sprint(seq), Audience: notify.AudienceTopic, Topics: []notify.Topic{topic}, Keep: 5,
	}})
	require.NoError(t, err)
}

// Apply does not wait for a rank that is being read, and the rank has what was applied
// meanwhile. Other callers wait for the one that reads.
func TestApplyDoesNotWaitForARank(t *testing.T) {
	s, err := Open("data", Options{FS: vfs.NewMem(), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	publishTo(t, s, 1, "project.1")
	reading := &indexLoad{done: make(chan struct{})}
	s.index.loading = map[string]*indexLoad{"project.*": reading}
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
	reading.rank, err = readFeedSequences(v, "project.*")
	v.release()
	require.NoError(t, err)
	close(reading.done)
	assert.Equal(t, 2, <-counted)
	require.NoError(t, s.Close())
}

// Ranks that are read while others are applied lack nothing and have nothing twice.
func TestRanksReadMeanwhile(t *testing.T) {
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
				s.index.current, s.index.previous, s.index.items = nil, nil, 0
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
	assert.Equal(t, 7*5, n, "of those that are kept")
	rank, ok := s.index.findLocked("project.*")
	require.True(t, ok)
	assert.Equal(t, 7*5, rank.len())
	require.NoError(t, s.Close())
}
