package hub

import (
	"cmp"
	"slices"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// maxCounts is how many connections of a shard receive their counts at a tick: the
// wheel must go on.
const maxCounts = 256

// countFor is how long the wheel counts at a tick, give or take one count: pings must be in time,
// although a count may take long if preferences hide notifications.
const countFor = tick / 5

// recount is the connections of a shard whose notifications must be counted again. The shard's lock guards it.
type recount struct {
	conns []*Conn // each once; some may have ended
	all   bool
}

// Recount makes the wheel send every connection of the readers in to its counts at the
// next tick, if it is live then: at most once a second, however often Recount is called.
func (h *Hub) Recount(to notify.Readers) {
	if to.All {
		for i := range h.shards {
			h.shards[i].recountAll()
		}
		return
	}
	h.each(to, func(c *Conn) { c.shard.noteCountLocked(c) })
}

func (s *shard) recountAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recount.all = true
}

// noteCountLocked adds c to the connections to be counted, if the hub can count.
func (s *shard) noteCountLocked(c *Conn) {
	if s.hub.opts.Count != nil && !c.recount && (c.phase == joining || c.phase == live) {
		c.recount = true
		s.recount.conns = append(s.recount.conns, c)
	}
}

// counting is a connection that is about to receive a count, its user, and the sequence
// up to which it was offered everything.
type counting struct {
	conn *Conn
	user notify.UserID
	at   notify.Sequence
}

// sendCounts sends their counts to the connections that wait for it, now that all
// connections were offered everything up to at. After countFor it stops, and the next tick
// goes on with the next shard.
func (h *Hub) sendCounts(at notify.Sequence) {
	until := h.since() + countFor
	for range h.shards {
		h.shards[h.counted].sendCounts(at, until)
		h.counted = (h.counted + 1) % shardCount
		if h.since() >= until {
			return
		}
	}
}

// sendCounts does this for the connections of a shard. Connections of a user that read the
// same are counted once.
func (s *shard) sendCounts(at notify.Sequence, until time.Duration) {
	next := s.takeCounts(at)
	slices.SortFunc(next, func(a, b counting) int {
		return cmp.Or(cmp.Compare(a.user, b.user), cmp.Compare(a.at, b.at))
	})
	var made byReader[*Event]
	for i, c := range next {
		if s.hub.since() >= until {
			s.noteCounts(next[i:])
			return
		}
		if i > 0 && (next[i-1].at != c.at || next[i-1].user != c.user) {
			made = made[:0]
		}
		e, ok := made.get(c.conn, func(r notify.Reader) (e *Event, ok bool) {
			defer c.conn.Recover()
			n, ok := s.hub.opts.Count(r, c.at)
			return &Event{Sequence: c.at, Content: InboxChange{Counted: true, Counts: n}}, ok
		})
		if !ok {
			c.conn.End(notify.CloseInternal)
			continue
		}
		c.conn.sendCount(e)
	}
}

// noteCounts puts off the counts of connections to a later tick.
func (s *shard) noteCounts(all []counting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range all {
		s.noteCountLocked(c.conn)
	}
}

// takeCounts returns the connections that receive a count at this tick. A joining
// connection waits: the count that it receives when it goes live may be older.
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
		case c.phase == joining || c.phase == live && len(next) == maxCounts:
			rest = append(rest, c)
		case c.phase == live: // everything before seen was offered, too
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

// sendCount queues a count for c, unless something newer was offered meanwhile: then c is
// counted again at the next tick.
func (c *Conn) sendCount(e *Event) {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	switch {
	case c.phase != live:
	case e.Sequence < c.seen:
		c.shard.noteCountLocked(c)
	default:
		c.seen = e.Sequence
		c.enqueueLocked(e)
	}
}
