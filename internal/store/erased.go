package store

import (
	"crypto/sha256"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/pack"
)

// An erasure is remembered for erasedLifetime, by a hash of the user: a node may learn late that a
// notification was written to a device of the user, and the record of that would bring the user back.
// Users who are erased again extend the time.

func erasedKey(u notify.UserID) []byte {
	hash := sha256.Sum256([]byte(u))
	return append([]byte{kindErased}, hash[:]...)
}

// rememberErasure remembers that u was erased at seq.
func (tx *txn) rememberErasure(seq notify.Sequence, u notify.UserID) error {
	key := erasedKey(u)
	before, err := get(tx.batch, key)
	if err != nil {
		return err
	}
	if before != nil {
		if err := tx.removeExpiry(expiryKey(pack.NewReader(before).Millis().Add(erasedLifetime), kindErased, key[1:])); err != nil {
			return err
		}
		tx.refund(key, len(before))
	}
	tx.buffer = pack.AppendUint(pack.AppendMillis(tx.buffer[:0], tx.at), uint64(seq))
	tx.set(key, tx.buffer)
	tx.charge(key, len(tx.buffer))
	return tx.setExpiry(expiryKey(tx.at.Add(erasedLifetime), kindErased, key[1:]))
}

// erasedAfter reports whether u is known to have been erased after a sequence.
func (tx *txn) erasedAfter(seq notify.Sequence, u notify.UserID) (bool, error) {
	b, err := get(tx.batch, erasedKey(u))
	if err != nil || b == nil {
		return false, err
	}
	r := pack.NewReader(b)
	r.Millis()
	return seq < notify.Sequence(r.Uint()), r.Err()
}

// expireErasure forgets an erasure. ref is the hash of the user.
func (tx *txn) expireErasure(ref []byte) error {
	key := append([]byte{kindErased}, ref...)
	b, err := get(tx.batch, key)
	if err == nil && b != nil {
		tx.remove(key)
		tx.refund(key, len(b))
	}
	return err
}
