package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// errNoTicket does not say which ticket was presented.
var errNoTicket = notify.Errorf(notify.ErrTokenInvalid, "no such ticket: it may have been used, or be older than %d s",
	int(notify.TicketLifetime/time.Second))

// ticket stores a ticket until it is redeemed or expires.
func (tx *txn) ticket(e notify.Ticket) error {
	t := ticket{at: tx.at, principal: e.Principal}
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
// refused, even if no Sweep has deleted it yet.
func (tx *txn) redeem(e notify.Redemption) (notify.Principal, error) {
	key := ticketKey(e.Hash)
	b, err := get(tx.batch, key)
	if err != nil {
		return notify.Principal{}, err
	}
	if b == nil {
		return notify.Principal{}, errNoTicket
	}
	tx.remove(key)
	tx.refund(key, len(b))
	t, err := readTicket(b)
	if err != nil { // a record of another form
		return notify.Principal{}, errNoTicket
	}
	end := expiryKey(t.expires(), kindTicket, e.Hash[:])
	tx.remove(end)
	tx.refund(end, 0)
	if !tx.at.Before(t.expires()) {
		return notify.Principal{}, errNoTicket
	}
	return t.principal, nil
}

// ticket is the record of a ticket.
type ticket struct {
	at        time.Time // when it was issued
	principal notify.Principal
}

func (t ticket) expires() time.Time { return t.at.Add(notify.TicketLifetime) }

// ticketForm is the version of a ticket's record, with which it begins.
const ticketForm = "\x00\x02"

func (t ticket) append(dst []byte) []byte {
	p := &t.principal
	dst = append(dst, ticketForm...)
	dst = appendTime(dst, t.at)
	dst = appendIssuer(dst, p.Issuer)
	dst = appendString(dst, string(p.User))
	dst = appendString(dst, p.Name)
	dst = appendString(dst, p.TokenID)
	dst = appendTime(dst, p.Since)
	dst = appendTime(dst, p.Expires)
	dst = appendTime(dst, p.Issued)
	dst = binary.AppendUvarint(dst, uint64(p.TopicsIgnored)) //nolint:gosec // never negative
	dst = appendNames(dst, p.Scopes)
	return appendNames(dst, p.Topics)
}

// appendIssuer appends the name and version of an issuer. The limits of an issuer are
// looked up in its configuration.
func appendIssuer(dst []byte, i *notify.Issuer) []byte {
	if i == nil {
		return appendString(dst, "")
	}
	return append(appendString(dst, i.Name), i.Version[:]...)
}

func (r *record) issuer() *notify.Issuer {
	name := r.string()
	if name == "" {
		return nil
	}
	i := &notify.Issuer{Name: name}
	copy(i.Version[:], r.bytes(uint64(len(i.Version))))
	return i
}

func readTicket(b []byte) (ticket, error) {
	b, ok := bytes.CutPrefix(b, []byte(ticketForm))
	if !ok {
		return ticket{}, errCorrupt
	}
	r := record{b: b}
	t := ticket{at: r.time()}
	p := &t.principal
	p.Issuer = r.issuer()
	p.User = notify.UserID(r.string())
	p.Name = r.string()
	p.TokenID = r.string()
	p.Since, p.Expires, p.Issued = r.time(), r.time(), r.time()
	p.TopicsIgnored = int(r.uvarint()) //nolint:gosec // what append has put there
	p.Scopes, _ = readNames[notify.Scope](&r, true)
	p.Topics, _ = readNames[notify.TopicPattern](&r, true)
	return t, r.err
}

// revocation is the record of a revocation.
type revocation struct {
	before time.Time // of a user: tokens issued before it are revoked
	until  time.Time // when the last token that is revoked has expired
}

func (v revocation) append(dst []byte) []byte {
	return appendTime(appendTime(dst, v.before), v.until)
}

func readRevocation(b []byte) (revocation, error) {
	r := record{b: b}
	v := revocation{before: r.time(), until: r.time()}
	return v, r.err
}

// revoke stores and emits e. For one user the latest Before counts.
func (tx *txn) revoke(e notify.Revocation) error {
	e.Before = toStored(e.Before)
	key := revocationKey(e)
	kept, was, err := tx.revocation(key)
	if err != nil {
		return err
	}
	if was > 0 {
		tx.refund(key, was)
	}
	until := latest(kept.until, latest(tx.at, e.Before).Add(notify.TokenLifetimeMost))
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

// revocation returns the revocation at key and the size of its record, 0 if there is
// none.
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

// toStored returns t as reading it from the store would.
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
