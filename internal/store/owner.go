package store

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/bellhop/bellhop/internal/notify"
)

// owner identifies a history: of a user, of a feed or of everyone.
type owner struct {
	kind byte // kindUserItem, kindFeedItem, kindMultiItem or kindEveryoneItem
	name string
}

func everyone() owner { return owner{kind: kindEveryoneItem} }

func ofUser(u notify.UserID) owner { return owner{kindUserItem, string(u)} }

func ofTopic(t notify.Topic) owner { return owner{kindFeedItem, string(t)} }

func ofFeed(feed string) owner { return owner{kindFeedItem, feed} }

// ownersOf returns the owners of the histories to which n was added.
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

// isShared reports whether several users may read the history of o.
func (o owner) isShared() bool { return o.kind != kindUserItem }

// readers returns the users who read the history of o.
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

// readersOf returns the users who read any of the histories of owners.
func readersOf(owners []owner) (all notify.Readers) {
	for _, o := range owners {
		r := o.readers()
		all.Users = append(all.Users, r.Users...)
		all.Topics = append(all.Topics, r.Topics...)
		all.All = all.All || r.All
	}
	return all
}

// appendTo encodes o, with the length before the name: no owner's range reaches into
// another one's.
func (o owner) appendTo(dst []byte) []byte {
	dst = append(dst, o.kind)
	if o.kind == kindEveryoneItem {
		return dst
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(o.name))) //nolint:gosec // at most notify.MaxUserBytes
	return append(dst, o.name...)
}

// size is the number of bytes that appendTo appends.
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

// collapseHashBytes is the number of bytes of the hash of a collapse key.
const collapseHashBytes = 16

// collapseKey has a hash of the collapse key: keys at the ends of tables stay in the MANIFEST after an
// erasure, and a collapse key may be text about a person.
func (o owner) collapseKey(key string) []byte {
	hash := sha256.Sum256([]byte(key))
	k := o.appendTo(append(make([]byte, 0, 1+o.size()+collapseHashBytes), kindCollapse))
	return append(k, hash[:collapseHashBytes]...)
}

// ownerOf decodes an owner that appendTo has encoded.
func ownerOf(b []byte) (owner, error) {
	if len(b) > 0 && b[0] == kindEveryoneItem {
		return everyone(), nil
	}
	if len(b) < 3 || len(b) < 3+int(binary.BigEndian.Uint16(b[1:])) {
		return owner{}, errCorrupt
	}
	return owner{b[0], string(b[3 : 3+int(binary.BigEndian.Uint16(b[1:]))])}, nil
}

// endOfPrefix returns the first key after all keys with a prefix. The last byte of the prefix must
// be below 255.
func endOfPrefix(prefix []byte) []byte {
	k := slices.Clone(prefix)
	k[len(k)-1]++
	return k
}

// clone copies the name, which may be part of a larger string that would stay in memory.
func (o owner) clone() owner {
	o.name = strings.Clone(o.name)
	return o
}
