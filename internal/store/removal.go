package store

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/pack"
)

// A removal is what is kept of a notification that was removed: who published it to whom, why and
// when it was removed, its type, and the read state of its users at that time. It has no text of the
// notification. Operators and the publisher read it: see Trace.
//
// Nothing is written for a removal when a notification is published. When one is removed, its
// location stays, so that the removal is found by the ID, and the removal takes the place of the
// record. A Cleanup deletes removals when they are too old or too many.
type removal struct {
	cause
	at time.Time // when it was removed

	id, by string
	typ    string    // of the notification; of a removal from the history of one user, the record of the notification has it
	time   time.Time // of the notification
	topics []notify.Topic
	users  []removedUser
}

// cause says why notifications are removed.
type cause struct {
	status   notify.Status
	reason   notify.Reason
	replaced string // with StatusReplaced: ID of the notification that replaced it
}

// removedUser is a user of a removed notification, with the read state at that time. The state is
// hidden if the notification was removed from the user's history earlier: the user has a removal
// of its own, until that is forgotten.
type removedUser struct {
	user notify.UserID
	itemState
	delivered int64 // milliseconds since 1970; 0: that is not known, or no receipt was wanted
}

// causes returns the causes of removals, in the order of their numbers in records.
func causes() []cause {
	return []cause{
		{status: notify.StatusExpired},
		{status: notify.StatusReplaced},
		{status: notify.StatusRecalled},
		{status: notify.StatusEvicted, reason: notify.ReasonRetention},
		{status: notify.StatusEvicted, reason: notify.ReasonFull},
	}
}

// audience returns the audience of the removed notification.
func (r *removal) audience() notify.Audience {
	switch {
	case len(r.users) > 0:
		return notify.AudienceUser
	case len(r.topics) > 0:
		return notify.AudienceTopic
	}
	return notify.AudienceAll
}

func (r *removal) append(dst []byte) []byte {
	number := slices.IndexFunc(causes(), func(c cause) bool { return c.status == r.status && c.reason == r.reason })
	dst = append(dst, byte(number)) //nolint:gosec // an index
	dst = pack.AppendString(dst, shortID(r.replaced))
	dst = pack.AppendMillis(dst, r.at)
	dst = pack.AppendMillis(dst, r.time)
	dst = pack.AppendString(dst, shortID(r.id))
	dst = pack.AppendString(dst, r.by)
	dst = pack.AppendString(dst, r.typ)
	dst = pack.AppendNames(dst, r.topics)
	for _, u := range r.users {
		dst = u.append(pack.AppendString(dst, u.user))
		dst = pack.AppendUint(dst, uint64(u.delivered)) //nolint:gosec // a time since 1970
	}
	return dst
}

func readRemoval(b []byte) (r removal, err error) {
	p := pack.NewReader(b)
	number, all := int(p.Byte()), causes()
	if number >= len(all) {
		return r, errCorrupt
	}
	r.cause = all[number]
	r.replaced = longID(p.String())
	r.at, r.time = p.Millis(), p.Millis()
	r.id, r.by, r.typ = longID(p.String()), p.String(), p.String()
	r.topics = pack.Names[notify.Topic](p)
	for p.Len() > 0 {
		u := removedUser{user: notify.UserID(p.String())}
		u.itemState = decodeItemState(p)
		u.delivered = int64(p.Uint()) //nolint:gosec // written by append
		r.users = append(r.users, u)
	}
	return r, p.Err()
}

// removalKey returns the key of the removal of the notification at seq from all histories.
func removalKey(seq notify.Sequence) []byte { return sequenceKey(kindRemoval, seq) }

// userRemovalKey returns the key of its removal from the history of one of its users, which other
// users may still have.
func userRemovalKey(seq notify.Sequence, u notify.UserID) []byte {
	return append(removalKey(seq), u...)
}

// noteRemoved notes that the item of a user was removed, until the removal of the notification
// is recorded.
func (tx *txn) noteRemoved(u notify.UserID, s itemState) {
	tx.removedUsers = append(tx.removedUsers, removedUser{user: u, itemState: s})
}

// recordRemoval records that n was removed from all histories, or from that of the one user that
// was noted if onlyUser is set. The location of n stays.
func (tx *txn) recordRemoval(n *notify.Notification, onlyUser bool) {
	noted := tx.removedUsers
	tx.removedUsers = tx.removedUsers[:0]
	if tx.removing.status == "" { // an erasure leaves nothing behind
		if !onlyUser {
			tx.remove(idKey(n.ID()))
		}
		return
	}
	tx.noteDeliveries(n, noted)
	r := removal{cause: tx.removing, at: tx.at, id: n.ID(), by: n.By, typ: n.Type(), time: n.Time, topics: n.Topics, users: noted}
	if r.status != notify.StatusRecalled && n.Expired(tx.at) {
		r.cause = cause{status: notify.StatusExpired}
	}
	if onlyUser {
		r.by, r.id, r.typ = "", "", "" // the record of n has them
		tx.setRemoval(userRemovalKey(n.Sequence, noted[0].user), &r, 0)
		return
	}
	if len(n.Users) > len(noted) { // of a notification to topics, both are zero
		r.users = withRemovedEarlier(n.Users, noted)
	}
	tx.setRemoval(removalKey(n.Sequence), &r, locationBytes)
}

// noteDeliveries sets when n, which is being removed, was delivered to users.
func (tx *txn) noteDeliveries(n *notify.Notification, users []removedUser) {
	if !n.Receipt {
		return
	}
	for i := range users {
		view := users[i].view()
		at, err := deliveredAt(tx.batch, n, users[i].user, &view)
		if err != nil && tx.err == nil {
			tx.err = err
		}
		users[i].delivered = toMillis(at)
	}
}

// withRemovedEarlier returns all users of a notification. noted, which are some of them in the same
// order, were removed now. The others were removed earlier, and have removals of their own.
func withRemovedEarlier(users []notify.UserID, noted []removedUser) []removedUser {
	all := make([]removedUser, len(users))
	for i, u := range users {
		all[i] = removedUser{user: u, itemState: itemState{hidden: true}}
		if len(noted) > 0 && noted[0].user == u {
			all[i], noted = noted[0], noted[1:]
		}
	}
	return all
}

func (tx *txn) setRemoval(key []byte, r *removal, location uint64) {
	tx.buffer = r.append(tx.buffer[:0])
	tx.set(key, tx.buffer)
	tx.state.removals += recordBytes(key, len(tx.buffer)) + location
}

// recordRecall records that a deferred notification was recalled. Its location refers to the entry
// that recalled it, so that removals are in the order of their times.
func (tx *txn) recordRecall(seq notify.Sequence, e *notify.Publish) {
	n := e.Notification(0, tx.at)
	r := removal{cause: cause{status: notify.StatusRecalled}, at: tx.at, id: e.ID, by: e.By, typ: n.Type(), time: tx.at, topics: e.Topics}
	for _, u := range e.Users {
		r.users = append(r.users, removedUser{user: u})
	}
	tx.set(idKey(e.ID), binary.BigEndian.AppendUint64(nil, uint64(seq)))
	tx.setRemoval(removalKey(seq), &r, locationBytes)
}

// removalLimit returns the size that removals may have: an eighth of that of the notifications, at
// least minRemovalBytes, and at most a sixteenth of the limit of the store.
func removalLimit(s *state, b sizeLimit) uint64 {
	limit := max(minRemovalBytes, s.bytes/8)
	if b > 0 {
		limit = min(limit, uint64(b)/16)
	}
	return limit
}

// isForgotten reports whether a Cleanup must delete the removal of a notification with this time,
// if no older one is left.
func isForgotten(s *state, e notify.Cleanup, published, now time.Time) bool {
	return now.Sub(published) >= e.Retention+removalLifetime || s.removals > removalLimit(s, sizeLimitOf(e.MaxBytes))
}

// forgetRemovals deletes the oldest removals while they are too old or too many, at most limit.
func (tx *txn) forgetRemovals(e notify.Cleanup, limit int) (more bool, left int, err error) {
	left = limit
	err = each(tx.batch, []byte{kindRemoval}, endOfKind(kindRemoval), func(k, v []byte) (bool, error) {
		r, err := readRemoval(v)
		if err != nil || !isForgotten(&tx.state, e, r.time, tx.at) {
			return false, err
		}
		if left <= 0 {
			more = true
			return false, nil
		}
		left--
		tx.forgetRemoval(slices.Clone(k), len(v), r.id)
		return true, nil
	})
	return more, left, err
}

// forgetRemoval deletes a removal with a value of some bytes, and the location of its notification.
// id is empty if that still exists.
func (tx *txn) forgetRemoval(key []byte, value int, id string) {
	size := recordBytes(key, value)
	if id != "" {
		tx.remove(idKey(id))
		size += locationBytes
	}
	tx.remove(key)
	tx.state.removals -= min(tx.state.removals, size)
}

// removalsDue reports whether a Cleanup at a time would delete a removal.
func removalsDue(v *snapshot, st *state, e notify.Cleanup, now time.Time) (due bool, err error) {
	err = each(v, []byte{kindRemoval}, endOfKind(kindRemoval), func(_, b []byte) (bool, error) {
		r, err := readRemoval(b)
		due = err == nil && isForgotten(st, e, r.time, now)
		return false, err
	})
	return due, err
}
