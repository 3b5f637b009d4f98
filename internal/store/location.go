package store

import (
	"encoding/binary"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// location is the sequence of a stored notification, or the reference to a deferred one.
type location struct {
	sequence notify.Sequence
	deferred *notify.Deferred
}

func (p location) append(dst []byte) []byte {
	if p.deferred != nil {
		return append(dst, deferredKey(*p.deferred)[1:]...)
	}
	return binary.BigEndian.AppendUint64(dst, uint64(p.sequence))
}

// locate returns the location of the notification with an ID; ok is false if no notification
// has it. There may be only a removal at the location: see locateKept.
func locate(r pebble.Reader, id string) (p location, ok bool, err error) {
	b, err := get(r, idKey(id))
	switch {
	case err != nil || b == nil:
		return p, false, err
	case len(b) == 8:
		return location{sequence: notify.Sequence(binary.BigEndian.Uint64(b))}, true, nil
	case len(b) == 16:
		d := deferredOf(append([]byte{kindDeferred}, b...))
		return location{deferred: &d}, true, nil
	}
	return p, false, errCorrupt
}

// locateKept is locate for notifications that are not removed.
func (tx *txn) locateKept(id string) (p location, ok bool, err error) {
	p, ok, err = locate(tx.batch, id)
	if err == nil && ok && p.deferred == nil {
		ok, err = tx.has(sequenceKey(kindNotification, p.sequence))
	}
	return p, ok, err
}

// reaches reports whether b permits all users and topics of the notification at p.
func (tx *txn) reaches(b *notify.Bound, p location) (bool, error) {
	if b == nil {
		return true, nil
	}
	if p.deferred == nil {
		n, _, err := tx.notification(p.sequence)
		return err == nil && b.Reaches(&n), err
	}
	record, err := get(tx.batch, deferredKey(*p.deferred))
	if err != nil || record == nil {
		return false, err
	}
	e, err := readDeferred(record)
	n := e.Notification(0, tx.at)
	return err == nil && b.Reaches(&n), err
}

// locationBytes is the size of a location with its key.
const locationBytes = 1 + 16 + 8
