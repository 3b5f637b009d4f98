package store

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/entry"
	"github.com/bellhop/bellhop/internal/notify"
)

func preferencesKey(u notify.UserID) []byte {
	return append(append(make([]byte, 0, 1+len(u)), kindPreferences), u...)
}

// setPreferences replaces the preferences of a user. Empty ones take no record.
func (tx *txn) setPreferences(seq notify.Sequence, e notify.UserPreferences) error {
	if !e.IsZero() && sizeLimitOf(e.MaxBytes).refuses(&tx.state) {
		return errFull
	}
	key := preferencesKey(e.User)
	value, err := get(tx.batch, key)
	if err != nil {
		return err
	}
	var before notify.Preferences
	if value != nil {
		if before, err = readPreferences(value); err != nil {
			return err
		}
		tx.refund(key, len(value))
		tx.remove(key)
	}
	if !e.IsZero() {
		e.MaxBytes = 0
		tx.buffer = entry.Append(tx.buffer[:0], e)
		tx.set(key, tx.buffer)
		tx.charge(key, len(tx.buffer))
	}
	if is := e.Muting(); !is.Equal(before.Muting()) {
		tx.changes = append(tx.changes, notify.MutingChange{Sequence: seq, User: e.User, Muting: is})
		return tx.noteMuting(seq, e.User, is)
	}
	return tx.err
}

// noteMuting notes that other notifications are hidden from a user from seq on.
func (tx *txn) noteMuting(seq notify.Sequence, u notify.UserID, m *notify.Muting) error {
	h, err := tx.history(ofUser(u))
	if err != nil {
		return err
	}
	tx.touch(h)
	h.muted, h.mutes = seq, m != nil
	return tx.err
}

// mutingOf returns what the preferences of a user with history h hide; nil: nothing. Users without
// such preferences cost no read.
func mutingOf(r pebble.Reader, u notify.UserID, h *history) (*notify.Muting, error) {
	if !h.mutes {
		return nil, nil //nolint:nilnil // a nil Muting hides nothing
	}
	p, err := preferencesOf(r, u)
	return p.Muting(), err
}

// preferencesOf reads the preferences of a user.
func preferencesOf(r pebble.Reader, u notify.UserID) (notify.Preferences, error) {
	b, err := get(r, preferencesKey(u))
	if err != nil || b == nil {
		return notify.Preferences{}, err
	}
	return readPreferences(b)
}

func readPreferences(b []byte) (notify.Preferences, error) {
	if e, ok := entry.Decode(b).(notify.UserPreferences); ok {
		return e.Preferences, nil
	}
	return notify.Preferences{}, errCorrupt
}

// Preferences returns the preferences of a user.
func (s *Store) Preferences(u notify.UserID) (notify.Preferences, error) {
	v := s.snapshots.acquire()
	defer v.release()
	p, err := preferencesOf(v, u)
	if err != nil {
		return p, fmt.Errorf("read the preferences: %w", err)
	}
	return p, nil
}

func exportPreferences(x *exporter, _, value []byte) error {
	p, err := readPreferences(value)
	x.add(Kept{Kind: KeptPreferences, Preferences: p})
	return err
}

// erasePreferences removes the preferences of the user. That is no MutingChange, with which connections
// would end before they learn what was erased: they end with the Erased of the same entry.
func erasePreferences(x *eraser, key, value []byte) error {
	p, err := readPreferences(value)
	if err != nil {
		return err
	}
	if p.Muting() != nil {
		if err := x.noteMuting(x.recalled.Sequence, x.user, nil); err != nil {
			return err
		}
	}
	return eraseRecord(x, key, value)
}
