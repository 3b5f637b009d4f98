package store_test

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// ofEachContent returns entries that add to one content each, apart from the histories of those whom they
// concern, by the name of the content.
func ofEachContent() map[string][]notify.Entry {
	receipt := toUsers(40, "", "ada")
	receipt.Receipt = true
	return map[string][]notify.Entry{
		"idempotency-keys":   {keyed(1)},
		"deferred-publishes": {deferredPublish(2)},
		"collapse-keys":      {toUsers(3, "key", "ada")},
		"user-histories":     {toUsers(4, "", "bob")},
		"topic-histories":    {toTopics(5, "project.1")},
		"inbox-changes":      {toUsers(6, "", "eve"), markBy("eve", notify.VerbRead, idOf(6))},
		"read-state": {
			notify.Publish{ID: idOf(7), Audience: notify.AudienceAll, Keep: 3},
			notify.Mark{Reader: notify.Reader{User: "ada"}, Verb: notify.VerbRead, Through: 1},
		},
		"memberships": {notify.UserTopics{User: "ada", Topics: []notify.Topic{"project.2"}}},
		"preferences": {notify.UserPreferences{User: "ada", Preferences: off("comment")}},
		"receipts":    {receipt, notify.Delivered{Deliveries: []notify.Delivery{{User: "ada", Sequence: 1}}}},
		"tickets":     {notify.Ticket{Hash: sha256.Sum256([]byte("ticket")), Principal: notify.Principal{User: "ada"}}},
		"revocations": {notify.Revocation{User: "ada", Before: noon()}},
		"erasures":    {notify.Erase{User: "ada"}},
	}
}

// contentsOf returns the sizes of the contents that are in a store, by name.
func contentsOf(t *testing.T, s *store.Store) map[string]uint64 {
	t.Helper()
	usage, found, sum := s.Usage(), map[string]uint64{}, uint64(0)
	for name, bytes := range usage.Sizes.All() {
		if sum += bytes; bytes > 0 {
			found[name] = bytes
		}
	}
	require.Equal(t, usage.Other, sum, "the contents add up to the usage")
	other, err := s.CountOther()
	require.NoError(t, err)
	require.Equal(t, other, usage.Other)
	return found
}

// The size of each content shows the records that entries of its kind add.
func TestEachContentHasItsSize(t *testing.T) {
	none := store.Usage{}
	for name := range none.Sizes.All() {
		t.Run(name, func(t *testing.T) {
			entries := ofEachContent()[name]
			require.NotEmpty(t, entries)
			s := openIn(t, vfs.NewMem())
			defer s.Close()
			apply(t, s, noon(), entries...)
			found := contentsOf(t, s)
			assert.Positive(t, found[name])
			for other := range found {
				assert.Contains(t, []string{name, "user-histories", "topic-histories", "inbox-changes"}, other)
			}
		})
	}
}

// A store knows the sizes of its contents when it is opened again, also if a version that does not
// record them has applied entries meanwhile, or is the only one that has.
func TestSizesOfContentsOutliveTheProcess(t *testing.T) {
	fs := vfs.NewMem()
	s := openIn(t, fs)
	entries := ofEachContent()
	apply(t, s, noon(), append(entries["receipts"], entries["idempotency-keys"]...)...)
	first, err := s.ReplaceContents(nil)
	require.NoError(t, err)
	delete(entries, "receipts") // its sequence is that of the first entry
	for _, name := range []string{"deferred-publishes", "inbox-changes", "memberships", "tickets"} {
		apply(t, s, noon(), entries[name]...)
	}
	want := contentsOf(t, s)
	require.Greater(t, len(want), 6)
	for _, replaced := range [][]byte{nil, first, {1, 2, 3}} {
		_, err := s.ReplaceContents(replaced)
		require.NoError(t, err)
		require.NoError(t, s.Close())
		s = openIn(t, fs)
		assert.Equal(t, want, contentsOf(t, s))
	}
	apply(t, s, noon(), notify.Recall{ID: idOf(2)})
	require.NoError(t, s.Close())
	s = openIn(t, fs)
	defer s.Close()
	assert.NotContains(t, contentsOf(t, s), "deferred-publishes")
	cleanUpAll(t, s, noon().Add(90*24*time.Hour), notify.Cleanup{Retention: time.Hour, MaxBytes: 1})
	assert.NotContains(t, contentsOf(t, s), "idempotency-keys")
}
