package model

import (
	"maps"
	"slices"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// erase removes everything about a user.
func (m *Model) erase(u notify.UserID) {
	owner, keys := "u:"+string(u), notify.KeyOwner(u.PrincipalName())
	without := func(users []notify.UserID) []notify.UserID {
		return slices.DeleteFunc(slices.Clone(users), func(other notify.UserID) bool { return other == u })
	}
	m.items = slices.DeleteFunc(m.items, func(it *Item) bool { return it.Owner == owner })
	for _, it := range m.items {
		it.Users, it.Except = without(it.Users), without(it.Except)
	}
	for seq, e := range m.deferred {
		left := without(e.Users)
		if len(e.Users) > 0 && len(left) == 0 {
			delete(m.deferred, seq)
			continue
		}
		e.Users, e.Except = left, without(e.Except)
		m.deferred[seq] = e
	}
	maps.DeleteFunc(m.members, func(of notify.Membership, _ []span) bool { return of.User == u })
	maps.DeleteFunc(m.keys, func(name [32]byte, _ usedKey) bool { return [16]byte(name[:16]) == keys })
	maps.DeleteFunc(m.delivered, func(d notify.Delivery, _ time.Time) bool { return d.User == u })
	delete(m.marks, u)
	delete(m.preferences, u)
	delete(m.removed, owner)
	for _, f := range m.fates {
		delete(f, owner)
	}
}
