package store

import (
	"fmt"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/entry"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/pack"
)

// errNoTicket does not say which ticket was presented.
var errNoTicket = notify.TokenInvalid(notify.CauseTicket, "no such ticket: it may have been used, or be older than %d s",
	int(notify.TicketLifetime/time.Second))

// ticket stores a ticket until it is redeemed or expires.
func (tx *txn) ticket(e notify.Ticket) error {
	t := ticket{tx.at, e}
	key, value := ticketKey(e.Hash), t.append(nil)
	before, err := get(tx.batch, key)
	if err != nil {
		return err
	}
	if before != nil { // a ticket that is issued twice
		tx.refund(key, len(before))
	}
	tx.set(key, value)
	tx.charge(key, len(value))
	return tx.setExpiry(expiryKey(t.expires(), kindTicket, e.Hash[:]))
}

// redeem deletes a ticket and returns its principal. A ticket that has expired is
// refused, even if no Cleanup has deleted it yet.
func (tx *txn) redeem(e notify.Redemption) (*notify.Principal, error) {
	key := ticketKey(e.Hash)
	b, err := get(tx.batch, key)
	if err != nil {
		return nil, err
	}
	if b == nil {
		return nil, errNoTicket
	}
	tx.remove(key)
	tx.refund(key, len(b))
	t, err := readTicket(b)
	if err != nil { // a record of another form
		return nil, errNoTicket
	}
	end := expiryKey(t.expires(), kindTicket, e.Hash[:])
	tx.remove(end)
	tx.refund(end, 0)
	if !tx.at.Before(t.expires()) {
		return nil, errNoTicket
	}
	return &t.Principal, nil
}

// ticket is the record of a ticket.
type ticket struct {
	at time.Time // when it was issued
	notify.Ticket
}

func (t ticket) expires() time.Time { return t.at.Add(notify.TicketLifetime) }

func (t ticket) append(dst []byte) []byte {
	return entry.Append(pack.AppendMillis(dst, t.at), t.Ticket)
}

func readTicket(b []byte) (ticket, error) {
	r := pack.NewReader(b)
	at := r.Millis()
	e, ok := entry.Decode(r.Rest()).(notify.Ticket)
	if !ok {
		return ticket{}, errCorrupt
	}
	return ticket{at, e}, nil
}

// revocation is the record of a revocation.
type revocation struct {
	before time.Time // of a user: tokens issued before it are revoked
	until  time.Time // when the last token that is revoked has expired
}

func (v revocation) append(dst []byte) []byte {
	return pack.AppendMillis(pack.AppendMillis(dst, v.before), v.until)
}

func readRevocation(b []byte) (revocation, error) {
	r := pack.NewReader(b)
	v := revocation{before: r.Millis(), until: r.Millis()}
	return v, r.Err()
}

// revoke stores and emits e. Of several revocations of a user, the latest Before counts.
func (tx *txn) revoke(e notify.Revocation) error {
	e.Before = toStored(e.Before)
	key := revocationKey(e)
	kept, size, err := tx.revocation(key)
	if err != nil {
		return err
	}
	if size > 0 {
		tx.refund(key, size)
	}
	until := latest(kept.until, latest(tx.at, e.Before).Add(notify.MaxTokenLifetime))
	if err := tx.setExpiry(expiryKey(until, kindRevocation, key[1:])); err != nil {
		return err
	}
	kept.before, kept.until = latest(kept.before, e.Before), until
	value := kept.append(nil)
	tx.set(key, value)
	tx.charge(key, len(value))
	tx.revocations = append(tx.revocations, revocationChange{key, kept.before, true})
	tx.changes = append(tx.changes, e)
	return nil
}

// revocation returns the revocation at key and the size of its record; 0: no such revocation.
func (tx *txn) revocation(key []byte) (kept revocation, size int, err error) {
	b, err := get(tx.batch, key)
	if err != nil || b == nil {
		return revocation{}, 0, err
	}
	kept, err = readRevocation(b)
	return kept, len(b), err
}

// expireTicket deletes a ticket that expires at t.
func (tx *txn) expireTicket(t time.Time, ref []byte) error {
	key := ticketKey([32]byte(ref))
	b, err := get(tx.batch, key)
	if err != nil || b == nil {
		return err
	}
	kept, err := readTicket(b)
	if err != nil || !kept.expires().After(t) {
		tx.remove(key)
		tx.refund(key, len(b))
	}
	return nil
}

// expireRevocation deletes a revocation that ends at t. A revocation that was renewed
// ends later, and stays.
func (tx *txn) expireRevocation(t time.Time, ref []byte) error {
	key := append([]byte{kindRevocation}, ref...)
	kept, size, err := tx.revocation(key)
	if err != nil || size == 0 || kept.until.After(t) {
		return err
	}
	tx.remove(key)
	tx.refund(key, size)
	tx.revocations = append(tx.revocations, revocationChange{key: key})
	return nil
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// toStored returns t with the resolution of the store, which is a millisecond.
func toStored(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return time.UnixMilli(t.UnixMilli()).UTC()
}

// revocationChange is a revocation that a transaction has added or deleted.
type revocationChange struct {
	key     []byte
	before  time.Time
	inForce bool // false: deleted
}

// revocations holds all revocations in memory, because every request checks them. It is
// updated after the commit.
type revocations struct {
	mu     sync.RWMutex
	users  map[notify.UserID]time.Time // tokens issued before are revoked
	tokens map[revokedID]struct{}
}

// Revoked reports whether an applied revocation concerns the token of p. It does not read
// the disk.
func (s *Store) Revoked(p notify.Principal) bool {
	r := &s.revocations
	r.mu.RLock()
	defer r.mu.RUnlock()
	if before, ok := r.users[p.User]; ok && (notify.Revocation{User: p.User, Before: before}).Concerns(p) {
		return true
	}
	if p.TokenID == "" || len(r.tokens) == 0 {
		return false
	}
	if _, ok := r.tokens[revokedIDOf("", p.TokenID)]; ok || p.Issuer == nil {
		return ok
	}
	_, ok := r.tokens[revokedIDOf(p.Issuer.Name, p.TokenID)]
	return ok
}

// apply makes changes, in order.
func (r *revocations) apply(steps []revocationChange) {
	if len(steps) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range steps {
		r.step(s)
	}
}

func (r *revocations) step(s revocationChange) {
	user, token := revokedBy(s.key)
	switch {
	case user != "" && s.inForce:
		r.users[user] = s.before
	case user != "":
		delete(r.users, user)
	case s.inForce:
		r.tokens[token] = struct{}{}
	default:
		delete(r.tokens, token)
	}
}

// load reads all revocations.
func (r *revocations) load(db pebble.Reader) error {
	r.users, r.tokens = map[notify.UserID]time.Time{}, map[revokedID]struct{}{}
	err := each(db, []byte{kindRevocation}, endOfKind(kindRevocation), func(k, b []byte) (bool, error) {
		v, err := readRevocation(b)
		r.step(revocationChange{k, v.before, true})
		return true, err
	})
	if err != nil {
		return fmt.Errorf("read revocations: %w", err)
	}
	return nil
}
