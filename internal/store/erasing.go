package store

import (
	"bytes"

	"github.com/bellhop/bellhop/internal/notify"
)

// An erasure that takes several entries is remembered from the first of them until the last, with the
// position at which the next one continues: the process that has begun it may stop before its end.

func erasingKey(u notify.UserID) []byte { return append([]byte{kindErasing}, u...) }

// setErasing remembers that the erasure of u continues from a position; empty: it is complete.
func (tx *txn) setErasing(u notify.UserID, rest string) error {
	key := erasingKey(u)
	before, err := get(tx.batch, key)
	if err != nil {
		return err
	}
	if before != nil {
		tx.remove(key)
		tx.refund(key, len(before))
	}
	if rest != "" {
		tx.set(key, []byte(rest))
		tx.charge(key, len(rest))
	}
	return nil
}

// eraseErasing removes the user from the position of another user's erasure: that goes on from the
// beginning of the same part.
func eraseErasing(x *eraser, key, value []byte) error {
	if bytes.Equal(key, erasingKey(x.user)) || !bytes.Contains(value, []byte(x.user)) {
		return nil
	}
	x.left -= changeCost
	return x.setErasing(notify.UserID(key[1:]), string(value[:1]))
}

// maxErasing is the maximum of users that Erasing returns.
const maxErasing = 100

// Erasing returns the entries that continue erasures that are not complete.
func (s *Store) Erasing() (next []notify.Erase, err error) {
	err = each(s.db, []byte{kindErasing}, endOfKind(kindErasing), func(k, v []byte) (bool, error) {
		next = append(next, notify.Erase{User: notify.UserID(k[1:]), From: string(v)})
		return len(next) < maxErasing, nil
	})
	return next, err
}
