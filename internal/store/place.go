package store

import (
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// place is where the notification with an ID is: kept at a sequence, or
// deferred.
type place struct {
	sequence notify.Sequence
	deferred *notify.Deferred
}

func (p place) append(dst []byte) []byte {
	if p.deferred != nil {
		return append(dst, deferredKey(*p.deferred)[1:]...)
	}
	return binary.BigEndian.AppendUint64(dst, uint64(p.sequence))
}

// placeOf returns where the notification with an ID is; ok is false if there is
// none.
func placeOf(r pebble.Reader, id string) (p place, ok bool, err error) {
	b, err := get(r, idKey(id))
	switch {
	case err != nil || b == nil:
		return p, false, err
	case len(b) == 8:
		return place{sequence: notify.Sequence(binary.BigEndian.Uint64(b))}, true, nil
	case len(b) == 16:
		d := deferredOf(append([]byte{kindDeferred}, b...))
		return place{deferred: &d}, true, nil
	}
	return p, false, errCorrupt
}

// placeBytes is what a place takes in the store, with its key.
const placeBytes = 1 + 16 + 8

// migrated is how many notifications are given a place at a time.
const migratedMost = 10_000

// migrate gives the notifications of a store of format 1 their places.
func (s *Store) migrate() error {
	b := s.db.NewBatch()
	defer func() { b.Close() }()
	count := uint64(0)
	err := eachNotification(s.db, func(n *notify.Notification) (bool, error) {
		count++
		if err := b.Set(idKey(n.ID()), place{sequence: n.Sequence}.append(nil), nil); err != nil {
			return false, err
		}
		if b.Count() < migratedMost {
			return true, nil
		}
		err := b.Commit(pebble.NoSync)
		b.Close()
		b = s.db.NewBatch()
		return true, err
	})
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	st, err := s.readState()
	if err != nil {
		return err
	}
	st.bytes += count * placeBytes
	if err := b.Set([]byte{kindState}, st.append(nil), nil); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if err := b.Set([]byte{kindFormat}, []byte{formatVersion}, nil); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return b.Commit(pebble.Sync)
}
