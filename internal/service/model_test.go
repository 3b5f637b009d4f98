package service_test

import (
	"slices"
	"strings"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// model is what the inboxes of all users should be, as simply as it can be
// said.
type model struct {
	keep     int     // how many a history keeps
	notes    []*note // in the one order
	deferred []*note // in the order in which they are due
	marks    map[notify.UserID]map[string]notify.View

	// The notifications that full histories have evicted, by ID. Connected devices hear of them at
	// once, and nothing tells others.
	dropped map[string][]drop
	drops   int
}

// drop is that a history has dropped something: the number so many of all drops.
type drop struct {
	history string
	number  int
}

// note is a notification. Histories are named by whom they are of: "user ada",
// "topic team", "all".
type note struct {
	id       string
	draft    notify.Draft
	at       time.Time // published
	holders  []string  // histories that have it
	replaces map[string]string
}

func newModel(keep int) *model {
	return &model{keep: keep, marks: map[notify.UserID]map[string]notify.View{}, dropped: map[string][]drop{}}
}

func (n *note) expired(now time.Time) bool {
	return n.draft.TTL > 0 && !now.Before(n.at.Add(n.draft.TTL))
}

func historiesOf(d *notify.Draft) (names []string) {
	for _, u := range d.Users {
		names = append(names, "user "+string(u))
	}
	for _, t := range d.Topics {
		names = append(names, "topic "+string(t))
	}
	if d.All {
		names = append(names, "all")
	}
	return names
}

func (m *model) publish(now time.Time, id string, d notify.Draft) {
	n := &note{id: id, draft: d, replaces: map[string]string{}}
	switch {
	case d.Ephemeral:
	case d.DeliverAt.After(now):
		i, _ := slices.BinarySearchFunc(m.deferred, n, func(a, b *note) int {
			if a.draft.DeliverAt.After(b.draft.DeliverAt) {
				return 1
			}
			return -1 // behind those that are due at the same time
		})
		m.deferred = slices.Insert(m.deferred, i, n)
	default:
		m.tell(now, n)
	}
}

// release tells what is due.
func (m *model) release(now time.Time) {
	for len(m.deferred) > 0 && !m.deferred[0].draft.DeliverAt.After(now) {
		n := m.deferred[0]
		m.deferred = m.deferred[1:]
		m.tell(now, n)
	}
}

func (m *model) tell(now time.Time, n *note) {
	n.at = now
	for _, h := range historiesOf(&n.draft) {
		if old := m.collapsing(h, n.draft.CollapseKey); old != nil {
			m.takeOut(old, h)
			if !old.expired(now) {
				n.replaces[h] = old.id
			}
		}
		n.holders = append(n.holders, h)
	}
	m.notes = append(m.notes, n)
	for _, h := range historiesOf(&n.draft) {
		for held := m.heldBy(h); len(held) > m.keep; held = held[1:] {
			m.takeOut(held[0], h)
			m.drops++
			m.dropped[held[0].id] = append(m.dropped[held[0].id], drop{h, m.drops})
		}
	}
}

func (m *model) heldBy(h string) (held []*note) {
	for _, n := range m.notes {
		if slices.Contains(n.holders, h) {
			held = append(held, n)
		}
	}
	return held
}

func (m *model) collapsing(h, key string) *note {
	for _, n := range m.heldBy(h) {
		if key != "" && n.draft.CollapseKey == key {
			return n
		}
	}
	return nil
}

func (m *model) takeOut(n *note, h string) {
	n.holders = slices.DeleteFunc(n.holders, func(holder string) bool { return holder == h })
}

// isMissed reports whether the last history of r that had a notification dropped it
// before there were so many drops more.
func (m *model) isMissed(r notify.Reader, id string, drops int) bool {
	last := 0
	for _, d := range m.dropped[id] {
		if reads(r, d.history) {
			last = d.number
		}
	}
	return last > 0 && last <= drops
}

// reads reports whether r hears what is in a history.
func reads(r notify.Reader, history string) bool {
	topic, isTopic := strings.CutPrefix(history, "topic ")
	_, hears := notify.Heard(r.Topics, []notify.Topic{notify.Topic(topic)})
	return history == "all" || history == "user "+string(r.User) || isTopic && hears
}

// sweep removes what has expired.
func (m *model) sweep(now time.Time) {
	m.notes = slices.DeleteFunc(m.notes, func(n *note) bool { return n.expired(now) || len(n.holders) == 0 })
}

// recall reports whether there was something to take back.
func (m *model) recall(id string) bool {
	is := func(n *note) bool { return n.id == id }
	if i := slices.IndexFunc(m.deferred, is); i >= 0 {
		m.deferred = slices.Delete(m.deferred, i, i+1)
		return true
	}
	i := slices.IndexFunc(m.notes, is)
	if i < 0 || len(m.notes[i].holders) == 0 {
		return false
	}
	m.notes = slices.Delete(m.notes, i, i+1)
	return true
}

// heard returns by which of its histories r finds n, if it does.
func heard(r notify.Reader, n *note) (history string, ok bool) {
	for _, h := range n.holders {
		switch {
		case h == "user "+string(r.User), h == "all" && !n.at.Before(r.Since):
			return h, true
		}
		for _, t := range n.draft.Topics {
			if _, hears := notify.Heard(r.Topics, []notify.Topic{t}); hears && h == "topic "+string(t) {
				return h, true
			}
		}
	}
	return "", false
}

// inbox returns what r has, oldest first: with what has expired and is not yet
// swept.
func (m *model) inbox(r notify.Reader) (all []*note) {
	for _, n := range m.notes {
		if _, ok := heard(r, n); ok {
			all = append(all, n)
		}
	}
	return all
}

func (m *model) view(r notify.Reader, n *note) notify.View {
	v := m.marks[r.User][n.id]
	h, _ := heard(r, n)
	v.Replaces = n.replaces[h]
	v.Topic, _ = notify.Heard(r.Topics, n.draft.Topics)
	return v
}

func (m *model) list(r notify.Reader, state notify.InboxState, now time.Time) (newest []*note) {
	for _, n := range slices.Backward(m.inbox(r)) {
		if v := m.view(r, n); !n.expired(now) && state.Has(&v) {
			newest = append(newest, n)
		}
	}
	return newest
}

func (m *model) unread(r notify.Reader) (count int) {
	for _, n := range m.inbox(r) {
		if v := m.view(r, n); v.Unread() {
			count++
		}
	}
	return count
}

// mark does to those that which picks what verb says.
func (m *model) mark(now time.Time, r notify.Reader, verb notify.Verb, which func(*note) bool) {
	if m.marks[r.User] == nil {
		m.marks[r.User] = map[string]notify.View{}
	}
	for _, n := range m.inbox(r) {
		if !which(n) {
			continue
		}
		v := m.marks[r.User][n.id]
		switch {
		case verb == notify.VerbUnread:
			v = notify.View{}
		case verb == notify.VerbRead && v.Read.IsZero():
			v.Read = now
		case verb == notify.VerbArchive && v.Archived.IsZero():
			v.Archived = now
		}
		m.marks[r.User][n.id] = v
	}
}
