package store

import (
	"bytes"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// part is a range of keys that may have something about a user. All such ranges are in partsOf:
// the export and the erasure of a user both go through them, so a new kind of key about users is
// added in one place.
type part struct {
	lower, upper []byte
	export       func(x *exporter, key, value []byte) error
	erase        func(x *eraser, key, value []byte) error

	// name is a part of each value in the range that is about the user, or empty if all are.
	// Values without it are passed over quickly.
	name string
}

// partsOf returns the parts of the store that may have something about a user. The revocations
// of the user's tokens are the only part that an erasure leaves: they are removed when the last
// of these tokens has expired. The history of the user is no part, since it has only numbers; an
// erasure removes it at the end. The preferences are last, so that the entry that completes an
// erasure removes them: until the user's connections end with it, the same notifications are hidden.
func partsOf(u notify.UserID) []part {
	prefixed := func(prefix []byte, p part) part {
		p.lower, p.upper = prefix, endOfPrefix(prefix)
		return p
	}
	exactly := func(key []byte, p part) part {
		p.lower, p.upper = key, append(bytes.Clone(key), 0)
		return p
	}
	all := func(kind byte, name string, p part) part {
		p.lower, p.upper, p.name = []byte{kind}, endOfKind(kind), name
		return p
	}
	name, o, owner := string(u), ofUser(u), notify.KeyOwner(u.PrincipalName())
	keys := append([]byte{kindKey}, owner[:]...)
	return []part{
		prefixed(o.appendTo(nil), part{export: exportItem, erase: eraseItem}),
		prefixed(o.appendTo([]byte{kindChange}), part{export: exportChange, erase: eraseChange}),
		prefixed(o.appendTo([]byte{kindCollapse}), part{erase: eraseRecord}),
		exactly(readEveryoneKey(u), part{export: exportReadState, erase: eraseRecord}),
		prefixed(readStatePrefix(kindReadFeed, u), part{export: exportReadState, erase: eraseRecord}),
		prefixed(readStatePrefix(kindReadMulti, u), part{export: exportReadState, erase: eraseRecord}),
		prefixed(namedPrefix(kindMembership, name), part{export: exportMembership, erase: eraseMembership}),
		{lower: keys, upper: upperOf(keys), export: exportKey, erase: eraseKey},
		exactly(append([]byte{kindRevocation, revokedUser}, name...), part{export: exportRevocation}),
		all(kindTicket, name, part{export: exportTicket, erase: eraseTicket}),
		all(kindDeferred, name, part{export: exportDeferred, erase: eraseDeferred}),
		all(kindUserItem, name, part{export: exportPublished, erase: eraseFromItem}),
		all(kindNotification, name, part{export: exportPublished, erase: eraseFromRecord}),
		all(kindRemoval, "", part{export: exportRemoval, erase: eraseFromRemoval}),
		all(kindDelivery, "", part{export: exportDelivery, erase: eraseDelivery}),
		exactly([]byte{kindPruned}, part{erase: erasePosition}),
		all(kindErasing, "", part{erase: eraseErasing}),
		exactly(preferencesKey(u), part{export: exportPreferences, erase: erasePreferences}),
	}
}

// upperOf is endOfPrefix for a prefix that may end with a byte of 255.
func upperOf(prefix []byte) []byte {
	k := bytes.TrimRight(prefix, "\xff")
	return endOfPrefix(k)
}

// Work of one step of a walk through the parts: reading a record counts as 1.
const (
	walkBudget = 5_000 // of one entry of an erasure, or page of an export
	changeCost = 20
)

// walk goes through the parts of a user from a position, and calls f with each record that may be
// about the user, until left is used up. It returns the position at which the next call continues;
// empty: all was visited.
func walk(r pebble.Reader, u notify.UserID, from string, left *int, f func(p *part, key, value []byte) error) (rest string, err error) {
	parts := partsOf(u)
	at, after := 0, ""
	if from != "" {
		at, after = int(from[0]), from[1:]
	}
	for ; at < len(parts); at, after = at+1, "" {
		p := &parts[at]
		lower := p.lower
		if after != "" {
			lower = append([]byte(after), 0)
		}
		stopped := false
		name := []byte(p.name)
		err := each(r, lower, p.upper, func(k, v []byte) (bool, error) {
			if stopped = *left <= 0; stopped {
				return false, nil
			}
			*left--
			after = string(k)
			if !bytes.Contains(v, name) {
				return true, nil
			}
			return true, f(p, bytes.Clone(k), bytes.Clone(v))
		})
		if err != nil {
			return "", err
		}
		if stopped {
			return string([]byte{byte(at)}) + after, nil
		}
	}
	return "", nil
}
