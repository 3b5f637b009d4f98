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
func (tx *txn) setPreferences(e notify.UserPreferences) error {
	if !e.IsZero() && sizeLimitOf(e.MaxBytes).refuses(&tx.state) {
		return errFull
	}
	key := preferencesKey(e.User)
	value, err := get(tx.batch, key)
	if err != nil {
		return err
	}
	if value != nil {
		tx.refund(key, len(value))
		tx.remove(key)
	}
	if !e.IsZero() {
		e.MaxBytes = 0
		tx.buffer = entry.Append(tx.buffer[:0], e)
		tx.set(key, tx.buffer)
		tx.charge(key, len(tx.buffer))
	}
	return tx.err
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
		return p, fmt.Errorf("read the preferences of %s: %w", u, err)
	}
	return p, nil
}

func exportPreferences(x *exporter, _, value []byte) error {
	p, err := readPreferences(value)
	x.add(Kept{Kind: KeptPreferences, Preferences: p})
	return err
}
