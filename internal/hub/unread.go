package hub

import (
	"cmp"
	"slices"

	"github.com/bellhop/bellhop/internal/notify"
)

// recountMost is how many connections of a shard are given a fresh count at a
// tick: the wheel must go on.
const recountMost = 256

// recount is who of a shard is to be given a fresh count. The shard's lock
// guards it.
type recount struct {
	conns []*Conn // each once; some may have ended
	all   bool
}

// Recount has every connection that to names told how much is unread, at the
// wheel's next tick if it is live then: however often it is asked for, at most
// once a second.
func (h *Hub) Recount(to notify.Readers) {
	if to.All {
		for i := range h.shards {
			h.shards[i].recountAll()
		}
		return
	}
	h.eachLocked(to, func(c *Conn) { c.shard.noteCountLocked(c) })
}

func (s *shard) recountAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recount.all = true
}

// noteCountLocked puts c among those that want a count, if there is anybody to count.
func (s *shard) noteCountLocked(c *Conn) {
	if s.hub.opts.Unread != nil && !c.recount && (c.phase == joining || c.phase == live) {
		c.recount = true
		s.recount.conns = append(s.recount.conns, c)
	}
}

// counting is a connection that is about to be told a count, its user, and up to
// where it has been told everything.
type counting struct {
	conn *Conn
	user notify.UserID
	at   notify.Sequence
}

// tellCounts gives those a fresh count who want one, now that all connections
// were told everything up to at. Connections of a user that read the same are
// counted once.
func (s *shard) sendCounts(at notify.Sequence) {
	next := s.takeCounts(at)
	slices.SortFunc(next, func(a, b counting) int {
		return cmp.Or(cmp.Compare(a.user, b.user), cmp.Compare(a.at, b.at))
	})
	var made byReader[*Event]
	for i, c := range next {
		if i > 0 && (next[i-1].at != c.at || next[i-1].user != c.user) {
			made = made[:0]
		}
		f, ok := made.get(c.conn, func(r notify.Reader) (f *Event, ok bool) {
			defer c.conn.Recover()
			n, ok := s.hub.opts.Unread(r, c.at)
			return &Event{Sequence: c.at, Content: InboxChange{Counted: true, UnreadCount: n}}, ok
		})
		if !ok {
			c.conn.End(notify.CloseInternal)
			continue
		}
		c.conn.sendCount(f)
	}
}

// takeCounts returns who is to be told next. Who is joining waits: what it is
// told when it goes live may have been counted before.
func (s *shard) takeCounts(at notify.Sequence) (next []counting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.recount.all {
		s.recount.all = false
		for _, conns := range s.users {
			for _, c := range conns {
				s.noteCountLocked(c)
			}
		}
	}
	rest := s.recount.conns[:0]
	for _, c := range s.recount.conns {
		switch {
		case c.phase == joining || c.phase == live && len(next) == recountMost:
			rest = append(rest, c)
		case c.phase == live: // what it was offered last had all before it offered, too
			c.recount = false
			next = append(next, counting{c, c.principal.user, max(at, c.seen)})
		}
	}
	clear(s.recount.conns[len(rest):])
	if s.recount.conns = rest; len(rest) == 0 {
		s.recount.conns = nil
	}
	return next
}

// tellCount tells c a count, unless something newer was offered meanwhile: then
// it is told at the next tick.
func (c *Conn) sendCount(f *Event) {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	switch {
	case c.phase != live:
	case f.Sequence < c.seen:
		c.shard.noteCountLocked(c)
	default:
		c.seen = f.Sequence
		c.enqueueLocked(f)
	}
}
