package store

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/bellhop/bellhop/internal/notify"
)

// owner is whose history something is in: a user's, a feed's, or everyone's.
type owner struct {
	kind byte // kindTold, kindToldTopic, kindToldSeveral or kindToldAll
	name string
}

func everyone() owner { return owner{kind: kindEveryoneItem} }

func ofUser(u notify.UserID) owner { return owner{kindUserItem, string(u)} }

func ofTopic(t notify.Topic) owner { return owner{kindFeedItem, string(t)} }

func ofFeed(feed string) owner { return owner{kindFeedItem, feed} }

// ownersOf returns in whose histories n was put.
func ownersOf(n *notify.Notification) []owner {
	if n.Audience == notify.AudienceAll {
		return []owner{everyone()}
	}
	owners := make([]owner, 0, len(n.Users)+len(n.Topics))
	for _, u := range n.Users {
		owners = append(owners, ofUser(u))
	}
	for _, t := range n.Topics {
		owners = append(owners, ofTopic(t))
	}
	return owners
}

// isShared reports whether what o is told is read by users who do not have it
// for themselves.
func (o owner) isShared() bool { return o.kind != kindUserItem }

// readers are those who hear what o is told.
func (o owner) readers() notify.Readers {
	switch o.kind {
	case kindUserItem:
		return notify.Readers{Users: []notify.UserID{notify.UserID(o.name)}}
	case kindFeedItem:
		return notify.Readers{Topics: []notify.Topic{notify.Topic(o.name)}}
	default:
		return notify.Readers{All: true}
	}
}

// readersOf are those who hear what owners are told.
func readersOf(owners []owner) (all notify.Readers) {
	for _, o := range owners {
		r := o.readers()
		all.Users = append(all.Users, r.Users...)
		all.Topics = append(all.Topics, r.Topics...)
		all.All = all.All || r.All
	}
	return all
}

// appendTo appends o with its name's length before the name, so that no
// owner's range reaches into another's.
func (o owner) appendTo(dst []byte) []byte {
	dst = append(dst, o.kind)
	if o.kind == kindEveryoneItem {
		return dst
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(o.name))) //nolint:gosec // at most notify.MaxUserBytes
	return append(dst, o.name...)
}

// size is how many bytes appendTo appends.
func (o owner) size() int {
	if o.kind == kindEveryoneItem {
		return 1
	}
	return 1 + 2 + len(o.name)
}

func (o owner) historyKey() []byte { return o.appendHistoryKey(make([]byte, 0, 1+len(o.name))) }

func (o owner) appendHistoryKey(dst []byte) []byte {
	switch o.kind {
	case kindUserItem:
		dst = append(dst, kindHistory)
	case kindFeedItem:
		dst = append(dst, kindHistoryTopic)
	default:
		dst = append(dst, kindHistoryAll)
	}
	return append(dst, o.name...)
}

func (o owner) itemKey(seq notify.Sequence) []byte {
	k := o.appendTo(make([]byte, 0, o.size()+8))
	return binary.BigEndian.AppendUint64(k, uint64(seq))
}

func (o owner) changeKey(seq notify.Sequence) []byte {
	k := o.appendTo(append(make([]byte, 0, 1+o.size()+8), kindChange))
	return binary.BigEndian.AppendUint64(k, uint64(seq))
}

func (o owner) collapseKey(key string) []byte {
	k := o.appendTo(append(make([]byte, 0, 1+o.size()+len(key)), kindCollapse))
	return append(k, key...)
}

// ownerOf reads what appendTo has written.
func ownerOf(b []byte) (owner, error) {
	if len(b) > 0 && b[0] == kindEveryoneItem {
		return everyone(), nil
	}
	if len(b) < 3 || len(b) < 3+int(binary.BigEndian.Uint16(b[1:])) {
		return owner{}, errCorrupt
	}
	return owner{b[0], string(b[3 : 3+int(binary.BigEndian.Uint16(b[1:]))])}, nil
}

// endOfPrefix returns the first key that is greater than all that begin with
// prefix, which ends with a letter below the last.
func endOfPrefix(prefix []byte) []byte {
	k := slices.Clone(prefix)
	k[len(k)-1]++
	return k
}

// clone returns o without a hold on what its name may be a part of.
func (o owner) clone() owner {
	o.name = strings.Clone(o.name)
	return o
}
