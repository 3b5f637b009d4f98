package store

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/bellhop/bellhop/internal/notify"
)

// keepCollapsing puts n into its histories in the place of what they have with
// its collapse key. It tells readers first what is gone, which those who are away
// find in their history whatever becomes of n, and then n: apart those for whom
// it replaces another.
func (g *group) keepCollapsing(n *notify.Notification, most int) error {
	owners := ownersOf(n)
	replaced := replacements{of: map[owner][]string{}, by: map[string][]owner{}}
	for _, o := range owners {
		id, holders, err := g.replace(o, n)
		if err != nil {
			return err
		}
		if id != "" {
			replaced.add(id, holders)
		}
	}
	for _, id := range replaced.ids {
		g.tellGone(notify.InboxChange{Sequence: n.Sequence, Recalled: []string{id}, Replaced: true}, replaced.by[id])
	}
	for _, o := range replaced.holders {
		c := notify.InboxChange{Sequence: n.Sequence, Recalled: replaced.of[o]}
		if err := g.keepChange(o, &c, most); err != nil {
			return err
		}
	}
	g.tellParts(n, owners, replaced)
	for _, o := range owners {
		if err := g.extend(o, n, told{replaces: replaced.first(o)}, most); err != nil {
			return err
		}
	}
	return nil
}

// replacements are the IDs of what a notification replaces, and who had each.
type replacements struct {
	ids     []string // in the order in which they were found
	by      map[string][]owner
	holders []owner // and the patterns that stand for them, in the order in which they were found
	of      map[owner][]string
}

func (r *replacements) add(id string, holders []owner) {
	if len(r.by[id]) == 0 {
		r.ids = append(r.ids, id)
	}
	r.by[id] = append(r.by[id], holders...)
	for _, o := range nodesOf(holders) {
		if len(r.of[o]) == 0 {
			r.holders = append(r.holders, o)
		}
		r.of[o] = append(r.of[o], id)
	}
}

// first returns the first of what o had; nothing if it had none.
func (r *replacements) first(o owner) string {
	if ids := r.of[o]; len(ids) > 0 {
		return ids[0]
	}
	return ""
}

// tellParts tells n to its owners, together those for whom it replaces the same.
// Those for whom it replaces nothing come last: a reader of another topic, too,
// must be told first that n replaces something.
func (g *group) tellParts(n *notify.Notification, owners []owner, replaced replacements) {
	parts := map[string][]owner{}
	for _, o := range owners {
		id := replaced.first(o)
		parts[id] = append(parts[id], o)
	}
	for _, id := range slices.Backward(slices.Sorted(maps.Keys(parts))) {
		part := *n
		to := readersOf(parts[id])
		part.Users, part.Topics, part.Replaces = to.Users, to.Topics, id
		g.told = append(g.told, &part)
	}
}

// replace takes out of a history what has the collapse key of n. It returns the
// ID of that, and who had it, or nothing if there is none that a reader may still
// show.
func (g *group) replace(o owner, n *notify.Notification) (id string, holders []owner, err error) {
	key := o.collapseKey(n.CollapseKey)
	b, err := get(g.batch, key)
	if err != nil {
		return "", nil, err
	}
	if b != nil {
		g.remove(key)
		g.let(key, len(b))
		if id, holders, err = g.replaceAt(o, notify.Sequence(binary.BigEndian.Uint64(b))); err != nil {
			return "", nil, err
		}
	}
	g.set(key, binary.BigEndian.AppendUint64(nil, uint64(n.Sequence)))
	g.held(key, 8)
	return id, holders, nil
}

func (g *group) replaceAt(o owner, seq notify.Sequence) (id string, holders []owner, err error) {
	old, bytes, err := g.notification(seq)
	if err != nil {
		return "", nil, err
	}
	before := len(g.recount)
	holders, err = g.takeOutReplaced(o, &old, bytes)
	if err != nil || len(holders) == 0 || old.Expired(g.at) { // readers let go of that themselves
		return "", nil, err
	}
	g.recount = g.recount[:before] // tellGone sees to it
	return old.ID(), holders, nil
}

// tellGone tells c to those who had what is gone, and has them count anew at the end
// of the entry unless c comes with a count.
func (g *group) tellGone(c notify.InboxChange, holders []owner) {
	c.To = readersOf(holders)
	g.told = append(g.told, c)
	if _, ok := c.User(); !ok {
		g.recount = append(g.recount, holders...)
	}
}

// takeOutReplaced takes old out of a user's history, where the others whom it was
// told to keep it; but out of those of all its topics, for it is one thing to
// those who hear several.
func (g *group) takeOutReplaced(o owner, old *notify.Notification, bytes uint64) (holders []owner, err error) {
	if o.isShared() {
		return g.removeAll(old, bytes, false)
	}
	held, err := g.takeOut(o, old, false)
	if err != nil || !held {
		return nil, err
	}
	return []owner{o}, g.release(old, bytes)
}

// forgetCollapse forgets that n has its collapse key in a history, which it was
// taken out of.
func (g *group) forgetCollapse(o owner, n *notify.Notification) error {
	if n.CollapseKey == "" {
		return nil
	}
	key := o.collapseKey(n.CollapseKey)
	b, err := get(g.batch, key)
	if err == nil && b != nil && notify.Sequence(binary.BigEndian.Uint64(b)) == n.Sequence {
		g.remove(key)
		g.let(key, len(b))
	}
	return err
}
