package store_test

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// replica is a replicated store and its disk.
type replica struct {
	fs    *vfs.MemFS
	store *store.Store
}

func (r *replica) open(t require.TestingT) {
	var err error
	r.store, err = store.Open("data", store.Options{
		FS: r.fs, Replicated: true, Logger: slog.New(slog.DiscardHandler), Fatal: func(err error) { panic(err) },
	})
	require.NoError(t, err)
	r.store.SetMaxMarkChanges(2)
}

// cutPower reopens the store as it is after a power cut: a part of the data that was not synced is
// lost.
func (r *replica) cutPower(t require.TestingT, seed uint64) {
	after := r.fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: rand.New(rand.NewPCG(seed, 1))})
	require.NoError(t, r.store.Close())
	r.fs = after
	r.open(t)
}

// stream has the entries of a journal, divided into messages.
type stream struct {
	entries []notify.Stamped
	ends    []int // number of entries up to and including each message
}

// position returns the position after a number of messages.
func position(messages int) notify.Position {
	return notify.Position{Journal: "journal", Message: uint64(messages), Digest: [32]byte{byte(messages)}}
}

// apply applies a number of messages, from the position of the store on, in one transaction.
func (s stream) apply(t require.TestingT, r *replica, messages int) {
	from := int(r.store.Position().Message)
	first := 0
	if from > 0 {
		first = s.ends[from-1]
	}
	entries := s.entries[first:s.ends[from+messages-1]]
	_, _, err := r.store.ApplyAt(position(from+messages), notify.Sequence(first+1), entries)
	require.NoError(t, err)
}

// A replicated store applies the same messages one by one, all together, and in any groups
// with restarts and power cuts in between, after each of which it goes on from its own
// position. All keys and values are the same in the end, the position and the running hash
// included.
func TestTheSameMessagesMakeTheSameReplica(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		source := &journalled{inboxMachine: &inboxMachine{now: noon(), keep: 4}, grouping: grouping{fs: vfs.NewMem()}}
		source.grouping.open(t)
		for range rapid.IntRange(1, 60).Draw(t, "entries") {
			source.next(t)
		}
		source.grouping.close(t)
		s := stream{entries: source.entries}
		for end := 0; end < len(s.entries); {
			end = min(len(s.entries), end+rapid.IntRange(0, 5).Draw(t, "message"))
			s.ends = append(s.ends, end)
		}
		alone, together, grouped := &replica{fs: vfs.NewMem()}, &replica{fs: vfs.NewMem()}, &replica{fs: vfs.NewCrashableMem()}
		for _, r := range []*replica{alone, together, grouped} {
			r.open(t)
		}
		for range s.ends {
			s.apply(t, alone, 1)
		}
		s.apply(t, together, len(s.ends))
		for range 100 { // bounded, since each power cut may set the store back; the rest follows below
			left := len(s.ends) - int(grouped.store.Position().Message)
			if left == 0 {
				break
			}
			s.apply(t, grouped, rapid.IntRange(1, left).Draw(t, "group"))
			switch rapid.IntRange(0, 3).Draw(t, "then") {
			case 0:
				require.NoError(t, grouped.store.Close())
				grouped.open(t)
			case 1:
				grouped.cutPower(t, rapid.Uint64().Draw(t, "seed"))
			}
		}
		if left := len(s.ends) - int(grouped.store.Position().Message); left > 0 {
			s.apply(t, grouped, left)
		}
		want := replicaDump(t, alone.store)
		for name, r := range map[string]*replica{"together": together, "grouped": grouped} {
			if d := gocmp.Diff(want, replicaDump(t, r.store)); d != "" {
				t.Fatalf("keys (-alone +%s):\n%s", name, d)
			}
		}
		for _, r := range []*replica{alone, together, grouped} {
			require.NoError(t, r.store.Close())
		}
	})
}

// A topic whose last notification was removed in the same transaction has no history any
// more, so a Mark by a reader of a pattern without a history does not mark it, and does not
// prune the user's other read state.
func TestAMarkDoesNotSeeAHistoryThatTheTransactionHasEmptied(t *testing.T) {
	at := noon()
	publish := func(n int, topic notify.Topic) notify.Entry {
		return notify.Publish{
			ID: fmt.Sprintf("00000000-0000-7000-8000-%012d", n), Audience: notify.AudienceTopic, Topics: []notify.Topic{topic}, TTL: time.Second, Keep: 4,
		}
	}
	mark := func(topic notify.TopicPattern, upTo notify.Sequence) notify.Entry {
		return notify.Mark{
			Reader: notify.Reader{User: "ada", Topics: []notify.TopicPattern{topic}}, Verb: notify.VerbRead, Through: upTo, Keep: 4,
		}
	}
	entries := notify.Stamp(at, publish(1, "a.b.c.d.e.f.g.h.i.j"), publish(2, "news"), mark("news", 2))
	entries = append(entries, notify.Stamp(at.Add(time.Minute), notify.Cleanup{Retention: time.Hour}, mark("a.b.c.d.e.f.g.h.i.*", 4))...)
	s := stream{entries: entries, ends: []int{1, 2, 3, 4, 5}}
	alone, grouped := &replica{fs: vfs.NewMem()}, &replica{fs: vfs.NewMem()}
	for r, groups := range map[*replica][]int{alone: {1, 1, 1, 1, 1}, grouped: {3, 2}} {
		r.open(t)
		for _, messages := range groups {
			s.apply(t, r, messages)
		}
	}
	require.Empty(t, gocmp.Diff(replicaDump(t, alone.store), replicaDump(t, grouped.store)))
	require.NoError(t, alone.store.Close())
	require.NoError(t, grouped.store.Close())
}

func replicaDump(t require.TestingT, s *store.Store) map[string]string {
	all, err := s.Dump()
	require.NoError(t, err)
	return all
}

// applyCleanups applies n messages, each with one Cleanup.
func applyCleanups(t *testing.T, r *replica, n int) {
	t.Helper()
	s := stream{}
	for i := range int(r.store.Position().Message) + n {
		s.entries, s.ends = append(s.entries, notify.Stamp(noon(), notify.Cleanup{Retention: time.Hour})...), append(s.ends, i+1)
	}
	s.apply(t, r, n)
}

// The running hash depends on the entries, their order, their times and the state, and the
// latest ones are kept at the same sequences in all stores.
func TestRunningHashes(t *testing.T) {
	hash := func(t *testing.T, entries ...notify.Stamped) notify.RunningHash {
		t.Helper()
		r := &replica{fs: vfs.NewMem()}
		r.open(t)
		for len(entries) < 64 {
			entries = append(entries, notify.Stamp(noon(), notify.Cleanup{Retention: time.Hour})...)
		}
		_, _, err := r.store.ApplyAt(position(1), 1, entries)
		require.NoError(t, err)
		assert.Equal(t, notify.Sequence(64), r.store.LastHash())
		h, ok, err := r.store.HashAt(64)
		require.NoError(t, err)
		require.True(t, ok)
		require.NoError(t, r.store.Close())
		return h
	}
	one, other := publishTo("a", "ada"), publishTo("b", "ada")
	base := hash(t, notify.Stamp(noon(), one, other)...)
	assert.Equal(t, base, hash(t, notify.Stamp(noon(), one, other)...))
	assert.NotEqual(t, base, hash(t, notify.Stamp(noon(), other, one)...), "another order")
	assert.NotEqual(t, base, hash(t, notify.Stamp(noon().Add(-time.Second), one, other)...), "another time")
	assert.NotEqual(t, base, hash(t, notify.Stamp(noon(), one)...), "another entry")
}

func publishTo(id string, user notify.UserID) notify.Publish {
	return notify.Publish{ID: id, Audience: notify.AudienceUser, Users: []notify.UserID{user}, Content: []byte(`"id":"` + id + `"`), Keep: 10}
}

func TestOldHashesAreDeleted(t *testing.T) {
	r := &replica{fs: vfs.NewMem()}
	r.open(t)
	const kept = 64 * 1024
	applyCleanups(t, r, kept+64)
	for seq, want := range map[notify.Sequence]bool{64: false, 128: true, 130: false, kept: true, kept + 64: true} {
		_, ok, err := r.store.HashAt(seq)
		require.NoError(t, err)
		assert.Equal(t, want, ok, "the hash at %d", seq)
	}
	require.NoError(t, r.store.Close())
	r.open(t)
	assert.Equal(t, notify.Sequence(kept+64), r.store.LastHash(), "after a restart")
	require.NoError(t, r.store.Close())
}

// A replicated store that lost its newest entries in a power cut is not damaged: it announces no
// loss, and its cursors stay valid.
func TestAReplicaMayLoseItsNewestEntries(t *testing.T) {
	r := &replica{fs: vfs.NewCrashableMem()}
	r.open(t)
	applyCleanups(t, r, 200)
	r.fs = r.fs.CrashClone(vfs.CrashCloneCfg{})
	r.open(t)
	assert.Less(t, r.store.Position().Message, uint64(200), "nothing was synced")
	assert.Equal(t, r.store.Position().Message, uint64(r.store.Last()), "the position belongs to the state")
	assert.Zero(t, r.store.Lost())
	require.NoError(t, r.store.Close())
}

// A store that is adopted by a cluster has the position before the first message of the journal. A
// store that is opened alone leaves the cluster.
func TestAStoreJoinsAndLeavesACluster(t *testing.T) {
	disk := vfs.NewMem()
	alone := &grouping{fs: disk}
	open := func() {
		var err error
		alone.store, err = store.Open("data", store.Options{FS: disk, Logger: slog.New(slog.DiscardHandler), Fatal: func(err error) { panic(err) }})
		require.NoError(t, err)
	}
	open()
	_, _, err := alone.store.Apply(1, notify.Stamp(noon(), publishTo("a", "ada")))
	require.NoError(t, err)
	require.NoError(t, alone.store.Close())

	r := &replica{fs: disk}
	r.open(t)
	assert.Zero(t, r.store.Position())
	require.NoError(t, r.store.Adopt("journal"))
	assert.Equal(t, notify.Position{Journal: "journal"}, r.store.Position())
	_, _, err = r.store.ApplyAt(position(1), 2, notify.Stamp(noon(), publishTo("b", "ada")))
	require.NoError(t, err)
	require.NoError(t, r.store.Close())
	r.open(t)
	assert.Equal(t, position(1), r.store.Position())
	require.NoError(t, r.store.Close())

	open()
	assert.Zero(t, alone.store.Position())
	assert.Zero(t, alone.store.Lost(), "no entry is missing")
	_, _, err = alone.store.Apply(3, notify.Stamp(noon(), publishTo("c", "ada")))
	require.NoError(t, err)
	require.NoError(t, alone.store.Close())
	r.open(t)
	assert.Zero(t, r.store.Position(), "the store has left the cluster")
	require.NoError(t, r.store.Close())
}
