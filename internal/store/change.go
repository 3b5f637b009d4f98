package store

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/google/uuid"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/pack"
)

// addChange stores c in the history of o. It removes the oldest changes while those other than c
// are about more than limit notifications. limit 0: no limit.
func (tx *txn) addChange(o owner, c *notify.InboxChange, limit int) error {
	h, err := tx.history(o)
	if err != nil {
		return err
	}
	tx.touch(h)
	h.changes += weight(c)
	key := o.changeKey(c.Sequence)
	tx.buffer = pack.AppendMillis(appendChange(tx.buffer[:0], c), tx.at)
	tx.set(key, tx.buffer)
	tx.charge(key, len(tx.buffer))
	end := changeExpiryKey(tx.at, key)
	tx.set(end, nil)
	tx.charge(end, 0)
	if o.isPattern() {
		limit *= patternChangesFactor
	}
	for limit > 0 && h.changes > uint64(limit)+weight(c) {
		if err := tx.dropOldestChange(h); err != nil {
			return err
		}
	}
	return nil
}

// changeExpiryKey returns the expiry key of the change at key, which was stored at a
// time.
func changeExpiryKey(at time.Time, key []byte) []byte {
	return expiryKey(at.Add(changeLifetime), kindChange, key[1:])
}

// weight returns the number of notifications that c is about.
func weight(c *notify.InboxChange) uint64 {
	return uint64(c.Size()) //nolint:gosec // a number of IDs
}

func (tx *txn) dropOldestChange(h *cachedHistory) error {
	it, err := tx.batch.NewIter(&pebble.IterOptions{
		LowerBound: h.owner.changeKey(h.removedChanges + 1),
		UpperBound: h.owner.changeKey(^notify.Sequence(0)),
	})
	if err != nil {
		return err
	}
	defer it.Close()
	if !it.First() {
		h.changes = 0
		return it.Error()
	}
	return tx.dropChange(h, slices.Clone(it.Key()))
}

// dropChange removes a change. Readers with an earlier cursor have a gap then.
func (tx *txn) dropChange(h *cachedHistory, key []byte) error {
	seq := sequenceOf(key)
	b, err := get(tx.batch, key)
	if err != nil || b == nil {
		return err
	}
	c, at, err := readChangeAt(seq, b)
	if err != nil {
		return err
	}
	tx.touch(h)
	h.changes -= min(h.changes, weight(&c))
	h.removedChanges = max(h.removedChanges, seq)
	end := changeExpiryKey(at, key)
	tx.remove(key)
	tx.refund(key, len(b))
	tx.remove(end)
	tx.refund(end, 0)
	if tx.discardsEmpty {
		tx.discardEmpty(h)
	}
	return nil
}

// expireChange removes a change that was stored for changeLifetime.
func (tx *txn) expireChange(ref []byte) error {
	o, err := ownerOf(ref)
	if err != nil {
		return err
	}
	h, err := tx.history(o)
	if err != nil {
		return err
	}
	return tx.dropChange(h, append([]byte{kindChange}, ref...))
}

func appendChange(dst []byte, c *notify.InboxChange) []byte {
	for _, ids := range [][]string{c.Seen, c.Read, c.Unread, c.Archived, c.Recalled} {
		dst = binary.AppendUvarint(dst, uint64(len(ids)))
		for _, id := range ids {
			dst = pack.AppendString(dst, shortID(id))
		}
	}
	return dst
}

func readChange(seq notify.Sequence, b []byte) (notify.InboxChange, error) {
	c, _, err := readChangeAt(seq, b)
	return c, err
}

// readChangeAt decodes a change and the time when it was stored.
func readChangeAt(seq notify.Sequence, b []byte) (notify.InboxChange, time.Time, error) {
	c := notify.InboxChange{Sequence: seq}
	r := pack.NewReader(b)
	for _, ids := range []*[]string{&c.Seen, &c.Read, &c.Unread, &c.Archived, &c.Recalled} {
		*ids = pack.Names[string](r)
		for i, id := range *ids {
			(*ids)[i] = longID(id)
		}
	}
	at := r.Millis()
	return c, at, r.Err()
}

// shortID encodes an ID: a UUID as its bytes, any other ID unchanged.
func shortID(id string) string {
	if u, err := uuid.Parse(id); err == nil && u.String() == id {
		return string(u[:])
	}
	return id
}

// longID decodes an ID.
func longID(short string) string {
	if len(short) != len(uuid.UUID{}) {
		return short
	}
	return uuid.UUID([]byte(short)).String()
}

// mergedChanges merges changes with the same sequence into one: a recall or replacement
// is stored for several owners.
func mergedChanges(changes []notify.InboxChange) []notify.InboxChange {
	all := changes[:0]
	for _, c := range changes {
		last := len(all) - 1
		if last < 0 || all[last].Sequence != c.Sequence {
			all = append(all, c)
			continue
		}
		for _, id := range c.Recalled {
			if !slices.Contains(all[last].Recalled, id) {
				all[last].Recalled = append(all[last].Recalled, id)
			}
		}
	}
	return all
}
