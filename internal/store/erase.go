package store

import (
	"bytes"
	"slices"

	"github.com/bellhop/bellhop/internal/entry"
	"github.com/bellhop/bellhop/internal/notify"
)

// erase does a bounded part of the erasure of a user, and returns the position at which the next
// entry continues; empty: it is complete. The user's connections learn which notifications
// disappear. Purge removes what is erased from the files.
func (tx *txn) erase(seq notify.Sequence, e notify.Erase) (rest string, err error) {
	tx.removing = cause{} // no removals are recorded
	x := &eraser{
		txn: tx, user: e.User, left: tx.walkBudget,
		recalled: notify.InboxChange{Sequence: seq, To: ofUser(e.User).readers()}, topics: notify.MemberChange{Sequence: seq},
	}
	if e.From != "" && int(e.From[0]) >= len(partsOf(e.User)) {
		return "", nil
	}
	if err := tx.rememberErasure(seq, e.User); err != nil {
		return "", err
	}
	rest, err = walk(tx.batch, e.User, e.From, &x.left, func(p *part, k, v []byte) error {
		if p.erase == nil {
			return nil
		}
		return p.erase(x, k, v)
	})
	if err != nil {
		return "", err
	}
	if len(x.recalled.Recalled) > 0 {
		tx.changes = append(tx.changes, x.recalled)
	}
	if len(x.topics.Left) > 0 {
		tx.changes = append(tx.changes, x.topics)
	}
	if err := tx.setErasing(e.User, rest); err != nil || rest != "" {
		return rest, err
	}
	tx.state.erased = seq
	tx.changes = append(tx.changes, notify.Erased{Sequence: seq, User: e.User})
	return "", x.eraseHistory()
}

// eraser applies one Erase.
type eraser struct {
	*txn
	user notify.UserID
	left int // see walkBudget

	recalled notify.InboxChange
	topics   notify.MemberChange
}

// eraseRecord removes a record that is counted among the other ones.
func eraseRecord(x *eraser, key, value []byte) error {
	x.left -= changeCost
	x.remove(key)
	x.refund(key, len(value))
	return nil
}

// eraseItem removes an item of the user, and the user from a notification that others keep.
func eraseItem(x *eraser, key, _ []byte) error {
	x.left -= changeCost
	n, size, err := x.notification(sequenceOf(key))
	if err != nil {
		return err
	}
	x.recalled.Recalled = append(x.recalled.Recalled, n.ID())
	if _, _, err := x.removeItem(ofUser(x.user), &n, false); err != nil {
		return err
	}
	if err := x.dropReference(&n, size); err != nil {
		return err
	}
	record, err := get(x.batch, sequenceKey(kindNotification, n.Sequence))
	if err != nil || record == nil {
		return err
	}
	return eraseFromRecord(x, sequenceKey(kindNotification, n.Sequence), record)
}

// eraseChange removes an inbox change of the user.
func eraseChange(x *eraser, key, _ []byte) error {
	x.left -= changeCost
	h, err := x.history(ofUser(x.user))
	if err != nil {
		return err
	}
	return x.dropChange(h, key)
}

// eraseMembership ends and removes a membership of the user.
func eraseMembership(x *eraser, key, value []byte) error {
	x.left -= changeCost
	m, err := readIntervals(value)
	if err != nil {
		return err
	}
	h, err := x.history(ofUser(x.user))
	if err != nil {
		return err
	}
	x.touch(h)
	h.topics--
	if isCurrent(m) {
		h.joined--
		of := notify.Membership{User: x.user, Topic: notify.Topic(key[len(namedPrefix(kindMembership, string(x.user))):])}
		member := memberKey(of.Topic, of.User)
		x.remove(member)
		x.refund(member, 0)
		x.topics.Left = append(x.topics.Left, of)
	}
	x.setIntervals(key, m, nil)
	return nil
}

// eraseKey removes the use of an idempotency key by the user.
func eraseKey(x *eraser, key, value []byte) error {
	used, err := readUsedKey(value)
	if err != nil {
		return err
	}
	if err := x.removeExpiry(expiryKey(used.at.Add(notify.KeyLifetime), kindKey, key[1:])); err != nil {
		return err
	}
	return eraseRecord(x, key, value)
}

// removeExpiry removes an expiry key, if it exists.
func (tx *txn) removeExpiry(key []byte) error {
	has, err := tx.has(key)
	if err == nil && has {
		tx.remove(key)
		tx.refund(key, 0)
	}
	return err
}

// eraseTicket removes a ticket of the user.
func eraseTicket(x *eraser, key, value []byte) error {
	t, err := readTicket(value)
	if err != nil || t.Principal.User != x.user {
		return err
	}
	if err := x.removeExpiry(expiryKey(t.expires(), kindTicket, key[1:])); err != nil {
		return err
	}
	return eraseRecord(x, key, value)
}

// eraseDeferred removes a deferred publish to the user alone, and the user from others.
func eraseDeferred(x *eraser, key, value []byte) error {
	e, err := readDeferred(value)
	if err != nil {
		return err
	}
	if e.Audience == notify.AudienceUser && len(e.Users) == 1 && e.Users[0] == x.user {
		x.left -= changeCost
		x.removeDeferred(deferredOf(key), e.ID, value)
		x.remove(idKey(e.ID))
		return nil
	}
	e.Users, e.Except = x.without(e.Users), x.without(e.Except)
	e.By = x.publisher(e.By)
	next := entry.Append(nil, e)
	if bytes.Equal(next, value) {
		return nil
	}
	x.left -= changeCost
	x.refund(key, len(value))
	x.set(key, next)
	x.charge(key, len(next))
	return nil
}

// without returns users without the one that is erased.
func (x *eraser) without(users []notify.UserID) []notify.UserID {
	return slices.DeleteFunc(slices.Clone(users), func(u notify.UserID) bool { return u == x.user })
}

// publisher returns the name of a publisher, empty if it is that of the user.
func (x *eraser) publisher(by string) string {
	if by == x.user.PrincipalName() {
		return ""
	}
	return by
}

// eraseFromItem removes the user as the publisher from a notification to another single user. An item
// of the user itself was published after the entry that erased the others.
func eraseFromItem(x *eraser, key, value []byte) error {
	if bytes.HasPrefix(key, ofUser(x.user).appendTo(nil)) {
		return eraseItem(x, key, value)
	}
	item, record, err := readUserItem(value)
	if err != nil || record == nil {
		return err
	}
	n, err := readNotification(sequenceOf(key), record)
	if err != nil || x.publisher(n.By) == n.By {
		return err
	}
	next := x.rewritten(&n, record)
	x.buffer = appendUserItem(x.buffer[:0], item, next)
	x.set(key, x.buffer)
	return nil
}

// eraseFromRecord removes the user from a notification whose record is not in an item: as its
// publisher, and as one of its users. The user has no item of it, or the notification was published
// after the entry that erased the others: then its item is erased first.
func eraseFromRecord(x *eraser, key, value []byte) error {
	if bytes.HasPrefix(value, inlineMarker()) {
		return nil
	}
	n, err := readNotification(sequenceOf(key), value)
	if err != nil {
		return err
	}
	users := x.without(n.Users)
	if len(users) < len(n.Users) {
		item := ofUser(x.user).itemKey(n.Sequence)
		if has, err := x.has(item); err != nil {
			return err
		} else if has {
			return eraseItem(x, item, nil)
		}
	}
	if len(users) == len(n.Users) && x.publisher(n.By) == n.By {
		return nil
	}
	x.set(key, x.rewritten(&n, value))
	if len(users)+len(n.Topics) == 1 {
		x.remove(sequenceKey(kindRefCount, n.Sequence)) // one history has it
	}
	return nil
}

// rewritten returns the record of n without the user, and updates the size of notifications.
func (x *eraser) rewritten(n *notify.Notification, record []byte) []byte {
	x.left -= changeCost
	before := size(n, record)
	n.Users, n.By = x.without(n.Users), x.publisher(n.By)
	next := appendNotification(nil, n)
	x.state.bytes = x.state.bytes - before + size(n, next)
	return next
}

// eraseFromRemoval removes the user from what is remembered of a removed notification, or all of
// it if the user was the only one.
func eraseFromRemoval(x *eraser, key, value []byte) error {
	own := string(key[1+8:]) == string(x.user)
	if !own && !bytes.Contains(value, []byte(x.user)) {
		return nil
	}
	r, err := readRemoval(value)
	if err != nil {
		return err
	}
	users := slices.DeleteFunc(slices.Clone(r.users), func(u removedUser) bool { return u.user == x.user })
	switch {
	case own || len(users) == 0 && len(r.users) > 0:
		x.left -= changeCost
		x.forgetRemoval(key, len(value), r.id)
		return nil
	case len(users) == len(r.users) && x.publisher(r.by) == r.by:
		return nil
	}
	x.left -= changeCost
	r.users, r.by = users, x.publisher(r.by)
	x.state.removals -= min(x.state.removals, recordBytes(key, len(value)))
	x.setRemoval(key, &r, 0)
	return nil
}

// erasePosition removes the position of pruning if it is a key of the user.
func erasePosition(x *eraser, key, value []byte) error {
	if bytes.Contains(value, []byte(x.user)) {
		x.remove(key)
	}
	return nil
}

// eraseHistory removes the history of the user, unless something was published meanwhile.
func (x *eraser) eraseHistory() error {
	h, err := x.history(ofUser(x.user))
	if err == nil && h.kept == 0 && h.changes == 0 && h.topics == 0 && !h.mutes {
		x.touch(h)
		h.history = history{}
	}
	return err
}
