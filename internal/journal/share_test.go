package journal_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/notify"
)

// groupOf returns the place of the first group with a publish of by.
func (m *machine) groupOf(by string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, group := range m.groups {
		for _, e := range group {
			if e.(notify.Publish).By == by {
				return i
			}
		}
	}
	return -1
}

// flood has one publisher append many batches, and waits until they are queued or
// wait for memory. The first commit is under way then.
func flood(t *testing.T, all *sync.WaitGroup, j *journal.Local, batches, entries, content int) {
	t.Helper()
	for range batches {
		batch := make([]notify.Entry, entries)
		for i := range batch {
			batch[i] = notify.Publish{By: "flood", Content: make([]byte, content)}
		}
		all.Go(func() {
			assert.NoError(t, j.Append(t.Context(), batch...)[0].Err)
		})
	}
	synctest.Wait()
}

// A publisher that has very many entries waiting delays another one by one group,
// whether there are many of them or they take all the memory that it may have.
func TestPublishersTakeTurns(t *testing.T) {
	for name, f := range map[string]struct{ batches, entries, content int }{
		"many entries": {batches: 40, entries: 1_000},
		"much memory":  {batches: 60, entries: 1, content: 4 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &machine{syncs: time.Second}
				j, stop := run(t, m, nil)
				var all sync.WaitGroup
				flood(t, &all, j, f.batches, f.entries, f.content)
				for _, other := range []notify.Publish{{By: "small"}, {By: "large", Content: make([]byte, 4<<20)}} {
					all.Go(func() {
						assert.NoError(t, j.Append(t.Context(), other)[0].Err)
					})
				}
				synctest.Wait()
				all.Wait()
				require.NoError(t, stop())
				assert.LessOrEqual(t, m.groupOf("small"), 1, "the group that follows the one under way")
				assert.LessOrEqual(t, m.groupOf("large"), 1)
				assert.Greater(t, len(m.groups), 3, "the flood takes several groups")
			})
		})
	}
}
