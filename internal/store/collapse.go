package store

import (
	"cmp"
	"encoding/binary"

	"github.com/bellhop/bellhop/internal/notify"
)

// keepCollapsing puts n into its histories in the place of what they have with
// its collapse key, and tells it: to users apart for whom it replaces another.
// Who hears one of several topics is told of the first that it replaces in any.
func (g *group) keepCollapsing(n *notify.Notification, most int) error {
	owners := ownersOf(n)
	replaces := make([]string, len(owners))
	for i, o := range owners {
		id, err := g.replace(o, n)
		if err != nil {
			return err
		}
		replaces[i] = id
	}
	if n.Audience != notify.AudienceUser {
		n.Replaces = cmp.Or(replaces...)
		for i := range replaces {
			replaces[i] = n.Replaces
		}
		g.told = append(g.told, n)
	} else {
		g.tellParts(n, replaces)
	}
	for i, o := range owners {
		if err := g.extend(o, n, told{replaces: replaces[i]}, most); err != nil {
			return err
		}
	}
	return nil
}

// tellParts tells n to its users, together those for whom it replaces the same.
func (g *group) tellParts(n *notify.Notification, replaces []string) {
	parts := map[string]*notify.Notification{}
	for i, u := range n.Users {
		part, ok := parts[replaces[i]]
		if !ok {
			alike := *n
			alike.Users, alike.Replaces = nil, replaces[i]
			part = &alike
			parts[replaces[i]] = part
			g.told = append(g.told, part)
		}
		part.Users = append(part.Users, u)
	}
}

// replace takes out of a history what has the collapse key of n, and returns
// its ID, or nothing if there is none that the reader may still show.
func (g *group) replace(o owner, n *notify.Notification) (id string, err error) {
	key := o.collapseKey(n.CollapseKey)
	b, err := get(g.batch, key)
	if err != nil {
		return "", err
	}
	if b != nil {
		if id, err = g.replaceAt(o, notify.Sequence(binary.BigEndian.Uint64(b))); err != nil {
			return "", err
		}
	}
	g.set(key, binary.BigEndian.AppendUint64(nil, uint64(n.Sequence)))
	return id, nil
}

func (g *group) replaceAt(o owner, seq notify.Sequence) (id string, err error) {
	old, bytes, err := g.notification(seq)
	if err != nil {
		return "", err
	}
	held, err := g.takeOut(o, &old, false)
	if err != nil || !held {
		return "", err
	}
	// Whether one more is unread, they cannot tell; and a count that they are told
	// of now may have left out what takes its place.
	g.recount = append(g.recount, o)
	if err := g.release(&old, bytes); err != nil || old.Expired(g.at) {
		return "", err
	}
	return old.ID(), nil
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
	}
	return err
}
