// Package model states the rules of the domain in the simplest form: the notifications of a
// reader, the read state of each, and the verdict on an entry. Tests apply the same entries to
// the model and to the store or the service, and compare the results.
//
// The model is slow, keeps everything in memory, and has no limits on the work of one entry: a
// single Mark or Cleanup does all of its work.
package model

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// Model is the state that entries add up to.
type Model struct {
	Access Access

	items    []*Item // in the order of their histories
	marks    map[notify.UserID]map[notify.Sequence]notify.View
	deferred map[notify.Sequence]notify.Publish // by the sequence of the Publish
	keys     map[[32]byte]usedKey
	removed  map[string]notify.Sequence // by owner: the highest sequence that leaves a gap
	evicted  []Eviction

	delivered map[notify.Delivery]time.Time
	erased    map[notify.UserID]erasure  // within the last hour
	fates     map[string]map[string]Fate // of removed notifications, by ID and owner
	members   map[notify.Membership][]span

	preferences map[notify.UserID]notify.Preferences
}

// span is the sequences in which a member hears a topic: those after from, and up to to. 0: until
// now.
// span is a membership, between the sequences at which it begins and ends.
type span struct {
	from, to notify.Sequence
	settled  bool // see leave
}

func (s span) has(seq notify.Sequence) bool { return s.from < seq && (s.to == 0 || seq < s.to) }

// Item is a notification in the history of one owner: "u:ada", "t:team" or "a", which
// is everyone.
type Item struct {
	notify.Notification
	Owner    string
	replaces string // ID of the notification that it replaced in this history
}

// Eviction is the removal of a notification from a full history.
type Eviction struct {
	By    notify.Sequence // sequence of the Publish or Release that caused it
	Owner string
	ID    string

	Sequence notify.Sequence // of the notification
}

type usedKey struct {
	at          time.Time
	fingerprint [32]byte
	receipt     notify.Receipt
}

// New returns the state before all entries.
func New() *Model {
	return &Model{
		Access:   newAccess(),
		marks:    map[notify.UserID]map[notify.Sequence]notify.View{},
		deferred: map[notify.Sequence]notify.Publish{},
		keys:     map[[32]byte]usedKey{},
		removed:  map[string]notify.Sequence{},
		fates:    map[string]map[string]Fate{},

		delivered: map[notify.Delivery]time.Time{},
		erased:    map[notify.UserID]erasure{},
		members:   map[notify.Membership][]span{},

		preferences: map[notify.UserID]notify.Preferences{},
	}
}

// Apply applies an entry and returns its verdict, without More, Next and Changed.
func (m *Model) Apply(seq notify.Sequence, at time.Time, e notify.Entry) notify.Verdict {
	v := notify.Verdict{Sequence: seq}
	switch e := e.(type) {
	case notify.Publish:
		v.Receipt, v.Err = m.publish(seq, at, e)
	case notify.Release:
		if p, ok := m.deferred[e.Ref.Sequence]; ok && p.DeliverAt.Equal(e.Ref.At) && !e.Ref.At.After(at) {
			delete(m.deferred, e.Ref.Sequence)
			m.keep(seq, at, p)
		}
	case notify.Mark:
		m.mark(at, e)
	case notify.Members:
		v.Added, v.Removed, v.Err = m.changeMembers(seq, e)
	case notify.UserTopics:
		v.Added, v.Removed = m.setTopics(seq, e)
	case notify.UserPreferences:
		m.preferences[e.User] = e.Preferences
	case notify.Delivered:
		for _, d := range e.Deliveries {
			m.deliver(at, d)
		}
	case notify.Erase:
		m.erase(e.User)
		m.erased[e.User] = erasure{seq, at}
	case notify.Recall:
		v.Err = m.recall(at, e.ID)
	case notify.Cleanup:
		m.cleanUp(at, e)
		m.Access.cleanUp(at)
	case notify.Ticket:
		m.Access.tickets[e.Hash] = ticket{at, e.Principal}
	case notify.Redemption:
		v.Principal, v.Err = m.Access.redeem(at, e)
	case notify.Revocation:
		m.Access.revoke(at, e)
	}
	return v
}

func (m *Model) publish(seq notify.Sequence, at time.Time, e notify.Publish) (notify.Receipt, error) {
	receipt := notify.Receipt{ID: e.ID, Recipients: len(e.Users)}
	if e.Key != (notify.Key{}) {
		if k, ok := m.keys[e.Key.Name]; ok && at.Sub(k.at) < notify.KeyLifetime {
			if k.fingerprint != e.Key.Fingerprint {
				return notify.Receipt{}, notify.ErrKeyReused
			}
			first := k.receipt
			first.Duplicate = true
			return first, nil
		}
		m.keys[e.Key.Name] = usedKey{at, e.Key.Fingerprint, receipt}
	}
	switch {
	case e.Ephemeral:
	case e.DeliverAt.After(at):
		m.deferred[seq] = e
	default:
		m.keep(seq, at, e)
	}
	return receipt, nil
}

func ownersOf(e *notify.Publish) (owners []string) {
	for _, u := range e.Users {
		owners = append(owners, "u:"+string(u))
	}
	for _, t := range e.Topics {
		owners = append(owners, "t:"+string(t))
	}
	if e.Audience == notify.AudienceAll {
		owners = append(owners, "a")
	}
	return owners
}

// keep adds a notification to the histories of its owners. In each history it replaces the
// notification with the same collapse key. A notification that is replaced in a topic is
// removed from its other topics too. A full history evicts its oldest notification.
func (m *Model) keep(seq notify.Sequence, at time.Time, e notify.Publish) {
	replaced := map[string]string{} // ID by owner
	for _, o := range ownersOf(&e) {
		i := slices.IndexFunc(m.items, func(it *Item) bool {
			return it.Owner == o && it.CollapseKey == e.CollapseKey && e.CollapseKey != ""
		})
		if i < 0 {
			continue
		}
		old := *m.items[i]
		m.items = slices.DeleteFunc(m.items, func(it *Item) bool {
			remove := it.Sequence == old.Sequence && (it.Owner == o || strings.HasPrefix(o, "t:"))
			if remove && !old.Expired(at) {
				replaced[it.Owner] = cmp.Or(replaced[it.Owner], old.ID())
			}
			if remove {
				m.note(it, at, Fate{Status: notify.StatusReplaced, ReplacedBy: e.ID})
			}
			return remove
		})
	}
	for _, o := range ownersOf(&e) {
		m.items = append(m.items, &Item{Notification: e.Notification(seq, at), Owner: o, replaces: replaced[o]})
		for e.Keep > 0 && m.count(o) > e.Keep {
			m.evict(seq, at, o)
		}
	}
}

func (m *Model) count(owner string) (n int) {
	for _, it := range m.items {
		if it.Owner == owner {
			n++
		}
	}
	return n
}

func (m *Model) evict(by notify.Sequence, at time.Time, owner string) {
	i := slices.IndexFunc(m.items, func(it *Item) bool { return it.Owner == owner })
	old := m.items[i]
	m.items = slices.Delete(m.items, i, i+1)
	m.note(old, at, Fate{Status: notify.StatusEvicted, Reason: notify.ReasonFull})
	m.evicted = append(m.evicted, Eviction{By: by, Owner: owner, ID: old.ID(), Sequence: old.Sequence})
	if !old.Expired(at) {
		m.removed[owner] = max(m.removed[owner], old.Sequence)
	}
}

func (m *Model) recall(at time.Time, id string) error {
	recalled := Fate{Status: notify.StatusRecalled}
	for seq, e := range m.deferred {
		if e.ID == id {
			for _, o := range ownersOf(&e) {
				m.noteFate(id, o, Fate{Status: notify.StatusRecalled, At: at})
			}
			delete(m.deferred, seq)
			return nil
		}
	}
	before := len(m.items)
	m.items = slices.DeleteFunc(m.items, func(it *Item) bool {
		if it.ID() == id {
			m.note(it, at, recalled)
		}
		return it.ID() == id
	})
	if len(m.items) == before {
		return notify.ErrNotFound
	}
	return nil
}

// cleanUp removes expired notifications, those older than the retention, which leave a gap, and
// expired idempotency keys.
func (m *Model) cleanUp(at time.Time, e notify.Cleanup) {
	maps.DeleteFunc(m.keys, func(_ [32]byte, k usedKey) bool { return at.Sub(k.at) >= notify.KeyLifetime })
	maps.DeleteFunc(m.erased, func(_ notify.UserID, e erasure) bool { return at.Sub(e.at) >= time.Hour })
	m.items = slices.DeleteFunc(m.items, func(it *Item) bool {
		if it.Expired(at) {
			m.note(it, at, Fate{Status: notify.StatusExpired})
		}
		return it.Expired(at)
	})
	m.items = slices.DeleteFunc(m.items, func(it *Item) bool {
		old := at.Sub(it.Time) >= e.Retention
		if old {
			m.note(it, at, Fate{Status: notify.StatusEvicted, Reason: notify.ReasonRetention})
			m.removed[it.Owner] = max(m.removed[it.Owner], it.Sequence)
		}
		return old
	})
}

func (m *Model) mark(at time.Time, e notify.Mark) {
	views := m.marks[e.Reader.User]
	if views == nil {
		views = map[notify.Sequence]notify.View{}
		m.marks[e.Reader.User] = views
	}
	for _, it := range m.Inbox(e.Reader) {
		if e.IDs != nil && (!slices.Contains(e.IDs, it.ID()) || it.Expired(at)) || e.IDs == nil && it.Sequence > e.Through {
			continue
		}
		v := views[it.Sequence]
		if v.Seen.IsZero() && e.Verb != notify.VerbUnread { // reading and archiving imply seeing
			v.Seen = at
		}
		switch {
		case e.Verb == notify.VerbRead && v.Read.IsZero():
			v.Read = at
		case e.Verb == notify.VerbUnread:
			v.Read, v.Archived = time.Time{}, time.Time{}
		case e.Verb == notify.VerbArchive && v.Archived.IsZero():
			v.Archived = at
		}
		views[it.Sequence] = v
	}
}

// reads reports whether r reads the item at a sequence in the history of an owner.
func (m *Model) reads(r notify.Reader, owner string, seq notify.Sequence) bool {
	topic, isTopic := strings.CutPrefix(owner, "t:")
	return owner == "a" || owner == "u:"+string(r.User) || isTopic && m.heard(r, notify.Topic(topic), seq)
}

// Inbox returns the notifications of r that its preferences do not hide, oldest first, each with the
// view of r. Expired ones are included until a Cleanup removes them.
func (m *Model) Inbox(r notify.Reader) []Item {
	var all []Item
	for _, it := range m.items {
		if slices.Contains(it.Except, r.User) {
			continue
		}
		if m.reads(r, it.Owner, it.Sequence) && (it.Owner != "a" || !it.Time.Before(r.Since)) && !m.hides(r, it) {
			all = append(all, *it)
		}
	}
	slices.SortFunc(all, func(a, b Item) int { // if r reads n through several topics, the first one in which it replaces another counts
		replaces := func(it Item) int { return min(1, len(it.replaces)) }
		return cmp.Or(cmp.Compare(a.Sequence, b.Sequence), cmp.Compare(replaces(b), replaces(a)), cmp.Compare(a.Owner, b.Owner))
	})
	all = slices.CompactFunc(all, func(a, b Item) bool { return a.Sequence == b.Sequence })
	for i := range all {
		it := &all[i]
		it.View = m.marks[r.User][it.Sequence]
		it.Replaces = it.replaces
		if i := slices.IndexFunc(it.Topics, func(t notify.Topic) bool { return m.hears(r, t, it.Sequence) }); i >= 0 {
			it.Topic = it.Topics[i]
		}
	}
	return all
}

// Removed returns the highest sequence that retention or an eviction has removed from the
// histories that r reads.
func (m *Model) Removed(r notify.Reader) (seq notify.Sequence) {
	for owner, removed := range m.removed {
		if m.reads(r, owner, removed) {
			seq = max(seq, removed)
		}
	}
	return seq
}

// Evictions returns all evictions so far, in order.
func (m *Model) Evictions() []Eviction { return m.evicted }

// EvictedFor reports whether the first n evictions include the last eviction of the notification
// with an ID from the histories that r reads.
func (m *Model) EvictedFor(r notify.Reader, id string, n int) bool {
	last := 0
	for i, e := range m.evicted {
		if e.ID == id && m.reads(r, e.Owner, e.Sequence) {
			last = i + 1
		}
	}
	return last > 0 && last <= n
}

// Deferred returns the deferred notifications that are due at a time, in any order.
func (m *Model) Deferred(at time.Time) (due []notify.Publish) {
	for _, e := range m.deferred {
		if !e.DeliverAt.After(at) {
			due = append(due, e)
		}
	}
	return due
}

// IDs returns the IDs of all stored and deferred notifications, in order.
func (m *Model) IDs() (ids []string) {
	for _, it := range m.items {
		ids = append(ids, it.ID())
	}
	for _, e := range m.deferred {
		ids = append(ids, e.ID)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
