package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// KeptKind is a kind of thing that is kept about a user.
type KeptKind string

// The kinds.
const (
	KeptNotification KeptKind = "notification"         // in the history of the user
	KeptChange       KeptKind = "change"               // of read state, for devices that were away
	KeptReadState    KeptKind = "read_state"           // of notifications to topics or everyone
	KeptTopic        KeptKind = "topic"                // membership of a topic
	KeptPreferences  KeptKind = "preferences"          // how the user is notified
	KeptKey          KeptKind = "idempotency_key"      // that the user has used
	KeptRevocation   KeptKind = "revocation"           // of the user's tokens
	KeptTicket       KeptKind = "ticket"               // that the user has requested
	KeptDeferred     KeptKind = "deferred"             // a notification to the user that is not delivered yet
	KeptPublished    KeptKind = "published"            // a notification that the user has published
	KeptDelivery     KeptKind = "delivery"             // the first write of a notification to a device
	KeptRemoved      KeptKind = "removed_notification" // what is remembered of one to or by the user
)

// Kept is one thing that is kept about a user. Only the fields that its kind needs are set.
type Kept struct {
	Kind KeptKind

	Notification notify.Notification // without other users
	Change       notify.InboxChange
	Fate         Fate
	Preferences  notify.Preferences
	ID           string // of a notification
	RemovedType  string // the type of a notification that was removed
	Topic        string // a topic or a pattern; with KeptReadState empty if the notifications are to everyone or to several topics
	From, To     notify.Sequence
	Hidden       bool // with KeptReadState: the user is left out
	At, Until    time.Time
}

// ExportPage is a part of what is kept about a user.
type ExportPage struct {
	Kept []Kept
	Rest string // where the next page begins; empty: this is the last page
}

// maxExported is the maximum of things on a page, and exportBytes the size of their contents at which
// it is full, give or take one.
const (
	maxExported = 200
	exportBytes = 256 << 10
)

// Export returns what is kept about a user, page by page: the first from the empty position, each
// other from the Rest of the page before. Each page is from its own snapshot.
func (s *Store) Export(u notify.UserID, from string) (ExportPage, error) {
	v := s.snapshots.acquire()
	defer v.release()
	x := &exporter{snapshot: v, user: u, left: walkBudget}
	rest, err := walk(v, u, from, &x.left, func(p *part, k, b []byte) error {
		if p.export == nil {
			return nil
		}
		return p.export(x, k, b)
	})
	if err != nil {
		return ExportPage{}, fmt.Errorf("export: %w", err)
	}
	return ExportPage{x.kept, rest}, nil
}

// exporter reads one page of an export.
type exporter struct {
	snapshot *snapshot
	user     notify.UserID
	left     int // see walkBudget

	kept  []Kept
	bytes int
}

func (x *exporter) add(k Kept) {
	x.kept = append(x.kept, k)
	if x.bytes += len(k.Notification.Content); len(x.kept) >= maxExported || x.bytes >= exportBytes {
		x.left = 0
	}
}

func exportItem(x *exporter, key, value []byte) error {
	item, record, err := readUserItem(value)
	if err != nil {
		return err
	}
	seq := sequenceOf(key)
	if record == nil {
		if record, err = readRecordOf(x.snapshot, seq); err != nil {
			return err
		}
	}
	n, err := readForReader(seq, record)
	n.View = item.view()
	x.add(Kept{Kind: KeptNotification, Notification: n})
	return err
}

func exportChange(x *exporter, key, value []byte) error {
	c, at, err := readChangeAt(sequenceOf(key), value)
	x.add(Kept{Kind: KeptChange, Change: c, At: at})
	return err
}

func exportReadState(x *exporter, key, value []byte) error {
	m, err := readIntervalsAt(key, value)
	topic := ""
	if key[0] == kindReadFeed {
		topic = string(feedOf(key))
	}
	for _, i := range m {
		k := Kept{Kind: KeptReadState, Topic: topic, From: i.from, To: i.to, Hidden: i.hidden}
		k.Notification.View = i.view()
		x.add(k)
	}
	return err
}

func exportMembership(x *exporter, key, value []byte) error {
	m, err := readIntervals(value)
	topic := string(key[len(namedPrefix(kindMembership, string(x.user))):])
	for _, i := range m {
		k := Kept{Kind: KeptTopic, Topic: topic, From: i.from}
		if i.to != endless {
			k.To = i.to
		}
		x.add(k)
	}
	return err
}

func exportKey(x *exporter, _, value []byte) error {
	used, err := readUsedKey(value)
	x.add(Kept{Kind: KeptKey, ID: used.receipt.ID, At: used.at})
	return err
}

func exportRevocation(x *exporter, _, value []byte) error {
	v, err := readRevocation(value)
	x.add(Kept{Kind: KeptRevocation, At: v.before, Until: v.until})
	return err
}

func exportTicket(x *exporter, _, value []byte) error {
	t, err := readTicket(value)
	if err == nil && t.Principal.User == x.user {
		x.add(Kept{Kind: KeptTicket, At: t.at, Until: t.expires()})
	}
	return err
}

func exportDeferred(x *exporter, key, value []byte) error {
	e, err := readDeferred(value)
	if err != nil {
		return err
	}
	n := e.Notification(0, e.DeliverAt)
	n.Expires = time.Time{}      // counted from the delivery
	n.Users, n.Except = nil, nil // others must not be exported
	switch {
	case n.By == x.user.PrincipalName():
		x.add(Kept{Kind: KeptPublished, Notification: n, At: e.DeliverAt})
	case slices.Contains(e.Users, x.user):
		x.add(Kept{Kind: KeptDeferred, Notification: n, At: e.DeliverAt})
	case slices.Contains(e.Except, x.user):
		x.add(Kept{Kind: KeptDeferred, ID: e.ID, Hidden: true, At: e.DeliverAt})
	}
	return nil
}

// exportPublished exports notifications of which the user is the publisher, from the items of
// their users or from their own records.
func exportPublished(x *exporter, key, value []byte) error {
	seq, record := sequenceOf(key), value
	if key[0] == kindUserItem {
		var err error
		if _, record, err = readUserItem(value); err != nil || record == nil {
			return err
		}
	} else if bytes.HasPrefix(value, inlineMarker()) {
		return nil
	}
	n, err := readNotification(seq, record)
	if err == nil && n.By == x.user.PrincipalName() {
		n.Users = nil
		x.add(Kept{Kind: KeptPublished, Notification: n})
	}
	return err
}

func exportRemoval(x *exporter, key, value []byte) error {
	r, err := readRemoval(value)
	if err != nil {
		return err
	}
	n := notify.Notification{Sequence: notify.Sequence(binary.BigEndian.Uint64(key[1:])), Time: r.time, Audience: r.audience()}
	concerns := r.by == x.user.PrincipalName()
	for _, u := range r.users {
		if u.user == x.user {
			if !u.hidden {
				n.View = u.view()
			}
			concerns = true
		}
	}
	if concerns {
		x.add(Kept{Kind: KeptRemoved, ID: r.id, RemovedType: r.typ, Notification: n, Fate: r.fate()})
	}
	return nil
}
