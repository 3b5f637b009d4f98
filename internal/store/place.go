package store

import (
	"encoding/binary"
	"errors"
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

// migratedMost is how many keys a migration writes at a time.
const migratedMost = 10_000

// migrate brings a store of an earlier format to this one: it gives each
// notification its place, counts what all take anew, and drops tickets, which
// last for seconds and are read otherwise now.
func (s *Store) migrate() error {
	b := s.db.NewBatch()
	defer func() { b.Close() }()
	st, err := s.readState()
	if err != nil {
		return err
	}
	st.bytes = 0
	err = each(s.db, []byte{kindNotification}, after(kindNotification), func(k, v []byte) (bool, error) {
		n, err := readNotification(sequenceOf(k), v)
		if err != nil {
			return false, err
		}
		st.bytes += size(&n, v)
		if err := b.Set(idKey(n.ID()), place{sequence: n.Sequence}.append(nil), nil); err != nil {
			return false, err
		}
		if b.Count() < migratedMost {
			return true, nil
		}
		err = b.Commit(pebble.NoSync)
		b.Close()
		b = s.db.NewBatch()
		return true, err
	})
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	err = errors.Join(
		b.DeleteRange([]byte{kindTicket}, after(kindTicket), nil),
		b.Set([]byte{kindState}, st.append(nil), nil),
		setFormat(b, st.last),
	)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return b.Commit(pebble.Sync)
}
