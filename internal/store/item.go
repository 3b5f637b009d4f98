package store

import (
	"bytes"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// changes is how the history of a user has a notification.
type userItem struct {
	read, archived time.Time
	replaces       string
}

// inlineMarker begins what a history has of a notification if the record follows, and
// what stands in the place of the record then, before the user in whose history it
// is. Neither begins so otherwise: no number is written with an empty last byte.
func inlineMarker() []byte { return []byte{0x80, 0} }

// appendUserItem writes t, and the record of what was told to one user alone: so that
// who reads a history need not look for each in another place.
func appendUserItem(dst []byte, t userItem, record []byte) []byte {
	if record != nil {
		dst = append(dst, inlineMarker()...)
	} else if t == (userItem{}) {
		return dst
	}
	dst = appendTime(dst, t.read)
	dst = appendTime(dst, t.archived)
	if record == nil {
		return append(dst, t.replaces...)
	}
	return append(appendString(dst, t.replaces), record...)
}

// readUserItem is the reverse. The record itself is a part of b, and nil if it is
// elsewhere.
func readUserItem(b []byte) (t userItem, itself []byte, err error) {
	if len(b) == 0 {
		return userItem{}, nil, nil
	}
	rest, isInside := bytes.CutPrefix(b, inlineMarker())
	r := record{b: rest}
	t = userItem{read: r.time(), archived: r.time()}
	if !isInside {
		t.replaces = string(r.b)
		return t, nil, r.err
	}
	t.replaces = r.string()
	return t, r.b, r.err
}

func (t userItem) view() notify.View {
	return notify.View{Read: t.read, Archived: t.archived, Replaces: t.replaces}
}

func (t userItem) unread() bool { return t.read.IsZero() && t.archived.IsZero() }

// isInlined reports whether the record of n is to be in the history of the one user to
// whom it is told.
func isInlined(n *notify.Notification) bool {
	return n.Audience == notify.AudienceUser && len(n.Users) == 1
}

// appendInlineRef is what stands in the place of the record of what is u's own.
func appendInlineRef(dst []byte, u notify.UserID) []byte {
	return append(append(dst, inlineMarker()...), u...)
}

// readRecordOf returns the record of what was told at seq, nil if nothing was.
func readRecordOf(r pebble.Reader, seq notify.Sequence) ([]byte, error) {
	b, err := get(r, sequenceKey(kindNotification, seq))
	if err != nil {
		return nil, err
	}
	return resolveRecord(r, seq, b)
}

// resolveRecord returns the record of what was told at seq: b, or what b says the
// owner of.
func resolveRecord(r pebble.Reader, seq notify.Sequence, b []byte) ([]byte, error) {
	user, isElsewhere := bytes.CutPrefix(b, inlineMarker())
	if !isElsewhere {
		return b, nil
	}
	b, err := get(r, ofUser(notify.UserID(user)).itemKey(seq))
	if err != nil {
		return nil, err
	}
	_, record, err := readUserItem(b)
	if err == nil && record == nil {
		err = errCorrupt
	}
	return record, err
}
