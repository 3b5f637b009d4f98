package store

import (
	"context"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// CountOther returns the size of all records that Usage().Other must count, by reading them. Its error
// says whether Usage().Sizes has other sizes than the records.
func (s *Store) CountOther() (bytes uint64, err error) {
	sizes, err := countSizes(s.db)
	if counted := s.Usage().Sizes; err == nil && counted != sizes {
		err = fmt.Errorf("the sizes by content are %v, and the records have %v", counted, sizes)
	}
	if err != nil {
		return 0, err
	}

	err = each(s.db, []byte{0}, []byte{255}, func(k, v []byte) (bool, error) {
		kind := k[0]
		if kind == kindExpiry {
			_, kind, _ = expiryOf(k)
		}
		switch kind {
		case kindKey, kindTicket, kindErased, kindErasing, kindDelivery, kindRevocation, kindDeferred, kindChange, kindCollapse,
			kindPreferences, kindMembership, kindMember, kindHistory, kindHistoryTopic, kindHistoryAll, kindReadEveryone, kindReadFeed, kindReadMulti:
			bytes += recordBytes(k, len(v))
		case kindID:
			if p, ok, err := locate(s.db, idOfKey(k)); err != nil || ok && p.deferred != nil {
				bytes += recordBytes(k, len(v))
			}
		}
		return true, nil
	})
	return bytes, err
}

func idOfKey(key []byte) string { return longID(string(key[1:])) }

// SetMaxMarkChanges limits the notifications that one Mark up to a sequence changes, and those that
// it reads in proportion.
func (s *Store) SetMaxMarkChanges(n int) { s.maxMarkChanges = n }

// SetWalkBudget limits the work of one entry of an erasure.
func (s *Store) SetWalkBudget(n int) { s.walkBudget = n }

// SetPurgePiece sets the size of the tables that Purge rewrites together.
func (s *Store) SetPurgePiece(bytes uint64) { s.purging.piece = bytes }

// ReplaceContents replaces the record of the sizes by content, and returns what it was: empty, if there was
// none. With an empty value it deletes it.
func (s *Store) ReplaceContents(value []byte) (before []byte, err error) {
	key := []byte{kindContents}
	if before, err = get(s.db, key); err != nil {
		return nil, err
	}
	if len(value) == 0 {
		return before, s.db.Delete(key, pebble.Sync)
	}
	return before, s.db.Set(key, value, pebble.Sync)
}

// Flush writes the memtables into tables.
func (s *Store) Flush() { s.flush() }

// CompactAll compacts all tables.
func (s *Store) CompactAll(ctx context.Context) error {
	return s.db.Compact(ctx, []byte{0}, []byte{255}, false)
}

// HoldSnapshot takes a snapshot, as a reader does, and returns the function that releases it.
func (s *Store) HoldSnapshot() (release func()) { return s.snapshots.acquire().release }

// Dump returns all keys and values, except the identity of the store, which is random.
func (s *Store) Dump() (map[string]string, error) {
	all := map[string]string{}
	err := each(s.db, []byte{0}, []byte{255}, func(k, v []byte) (bool, error) {
		if k[0] != kindIdentity && k[0] != kindPurged {
			all[string(k)] = string(v)
		}
		return true, nil
	})
	return all, err
}

// Unread returns the number of unread notifications.
func (s *Store) Unread(r notify.Reader, upTo notify.Sequence) (int, error) {
	c, err := s.Counts(r, upTo)
	return c.Unread, err
}

// CountRemovals returns the size that Usage().Removals must be, by reading the records.
func (s *Store) CountRemovals() (bytes uint64, err error) {
	err = each(s.db, []byte{kindRemoval}, endOfKind(kindRemoval), func(k, v []byte) (bool, error) {
		bytes += recordBytes(k, len(v))
		r, err := readRemoval(v)
		if r.id != "" {
			bytes += locationBytes
		}
		return true, err
	})
	return bytes, err
}

// CountNotifications returns the size that Usage().Notifications must be, by reading the records.
func (s *Store) CountNotifications() (bytes uint64, err error) {
	err = each(s.db, []byte{kindNotification}, endOfKind(kindNotification), func(k, v []byte) (bool, error) {
		record, err := resolveRecord(s.db, sequenceOf(k), v)
		if err != nil {
			return false, err
		}
		n, err := readNotification(sequenceOf(k), record)
		bytes += size(&n, record)
		return true, err
	})
	return bytes, err
}
