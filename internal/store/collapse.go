package store

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/bellhop/bellhop/internal/notify"
)

// insertCollapsing adds n to the histories of its owners, and removes the notification
// with its collapse key from each. For each replaced notification it first emits a
// recalled change, and stores it in the history, so that readers who are away see it even
// if n is removed later. Then it emits n once for each different ID that it replaces.
func (tx *txn) insertCollapsing(n *notify.Notification, limit int) error {
	owners := ownersOf(n)
	replaced := replacements{of: map[owner][]string{}, by: map[string][]owner{}}
	for _, o := range owners {
		id, removed, err := tx.replace(o, n)
		if err != nil {
			return err
		}
		if id != "" {
			replaced.add(id, removed)
		}
	}
	for _, id := range replaced.ids {
		tx.emitRecalled(notify.InboxChange{Sequence: n.Sequence, Recalled: []string{id}, Replaced: true}, replaced.by[id])
	}
	for _, o := range replaced.owners {
		c := notify.InboxChange{Sequence: n.Sequence, Recalled: replaced.of[o]}
		if err := tx.addChange(o, &c, limit); err != nil {
			return err
		}
	}
	tx.emitParts(n, owners, replaced)
	for _, o := range owners {
		if err := tx.addItem(o, n, userItem{replaces: replaced.first(o)}, limit); err != nil {
			return err
		}
	}
	return nil
}

// replacements are the IDs that a notification replaces, and the owners from which each was
// removed.
type replacements struct {
	ids    []string // in the order in which they were found
	by     map[string][]owner
	owners []owner // with the patterns that match them, in the order in which they were found
	of     map[owner][]string
}

func (r *replacements) add(id string, owners []owner) {
	if len(r.by[id]) == 0 {
		r.ids = append(r.ids, id)
	}
	r.by[id] = append(r.by[id], owners...)
	for _, o := range withPatterns(owners) {
		if len(r.of[o]) == 0 {
			r.owners = append(r.owners, o)
		}
		r.of[o] = append(r.of[o], id)
	}
}

// first returns the first ID that was replaced for o; empty: no ID was.
func (r *replacements) first(o owner) string {
	if ids := r.of[o]; len(ids) > 0 {
		return ids[0]
	}
	return ""
}

// emitParts emits n once for each different ID that it replaces, to the owners for which
// it replaces this ID. The part that replaces nothing comes last: a reader of several
// topics must receive the part that replaces something first.
func (tx *txn) emitParts(n *notify.Notification, owners []owner, replaced replacements) {
	parts := map[string][]owner{}
	for _, o := range owners {
		id := replaced.first(o)
		parts[id] = append(parts[id], o)
	}
	for _, id := range slices.Backward(slices.Sorted(maps.Keys(parts))) {
		part := *n
		to := readersOf(parts[id])
		part.Users, part.Topics, part.Replaces = to.Users, to.Topics, id
		if len(parts) > 1 {
			part.OtherTopics = slices.DeleteFunc(slices.Clone(n.Topics), func(t notify.Topic) bool { return slices.Contains(to.Topics, t) })
		}
		tx.changes = append(tx.changes, &part)
	}
}

// replace removes the notification with the collapse key of n from the history of o. It returns
// the ID of that notification and the owners from which it was removed. The ID is empty if no
// notification was removed, or if it had expired.
func (tx *txn) replace(o owner, n *notify.Notification) (id string, removed []owner, err error) {
	key := o.collapseKey(n.CollapseKey)
	b, err := get(tx.batch, key)
	if err != nil {
		return "", nil, err
	}
	if b != nil {
		tx.remove(key)
		tx.refund(key, len(b))
		if id, removed, err = tx.replaceAt(o, notify.Sequence(binary.BigEndian.Uint64(b)), n.ID()); err != nil {
			return "", nil, err
		}
	}
	tx.set(key, binary.BigEndian.AppendUint64(nil, uint64(n.Sequence)))
	tx.charge(key, 8)
	return id, removed, nil
}

func (tx *txn) replaceAt(o owner, seq notify.Sequence, by string) (id string, removed []owner, err error) {
	old, bytes, err := tx.notification(seq)
	if err != nil {
		return "", nil, err
	}
	tx.removing = cause{status: notify.StatusReplaced, replaced: by}
	removed, counted, err := tx.removeReplaced(o, &old, bytes)
	switch {
	case err != nil || len(removed) == 0:
		return "", nil, err
	case old.Expired(tx.at): // readers no longer show it
		tx.recounts = append(tx.recounts, counted...)
		return "", nil, nil
	}
	return old.ID(), removed, nil
}

// emitRecalled emits c to the readers of owners. A change that is not for a single user carries no
// unread count: a Recount follows.
func (tx *txn) emitRecalled(c notify.InboxChange, owners []owner) {
	c.To = readersOf(owners)
	tx.changes = append(tx.changes, c)
	if _, ok := c.User(); !ok {
		tx.recounts = append(tx.recounts, owners...)
	}
}

// removeReplaced removes old from the history of a user, and leaves it in those of other
// users. It removes a notification to topics from all its topics: readers of several
// topics see it as one.
func (tx *txn) removeReplaced(o owner, old *notify.Notification, bytes uint64) (removed, counted []owner, err error) {
	if o.isShared() {
		return tx.removeEverywhere(old, bytes, false)
	}
	found, wasCounted, err := tx.removeItem(o, old, false)
	if err != nil || !found {
		return nil, nil, err
	}
	removed = []owner{o}
	if wasCounted {
		counted = removed
	}
	return removed, counted, tx.dropReference(old, bytes)
}

// forgetCollapse deletes the collapse key of n in a history from which n was removed.
func (tx *txn) forgetCollapse(o owner, n *notify.Notification) error {
	if n.CollapseKey == "" {
		return nil
	}
	key := o.collapseKey(n.CollapseKey)
	b, err := get(tx.batch, key)
	if err == nil && b != nil && notify.Sequence(binary.BigEndian.Uint64(b)) == n.Sequence {
		tx.remove(key)
		tx.refund(key, len(b))
	}
	return err
}
