package hub

import (
	"slices"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// Deliver offers e to every connection of the readers in to, and waits for no peer. A
// broadcast with a time goes to the principals that see broadcasts of that time. Events
// with a sequence must come from one goroutine, in the journal's order; events without
// one may come from any. Deliver leaves no queue more than half full unless its peer is
// slow: a burst of events is no reason to end a connection.
//
// For a few users, Deliver itself writes what the network accepts immediately: waking a worker
// would cost as much as the write.
func (h *Hub) Deliver(to notify.Readers, at time.Time, e *Event) {
	var direct direct
	var long []*Conn
	switch {
	case to.All:
		except := setOf(to.Except)
		for i := range h.shards {
			long = h.shards[i].broadcast(at, except, e, long)
		}
	case len(to.Topics) > 0:
		h.DeliverTopics(to.Topics, to.Except, func(notify.Topic) *Event { return e })
	default:
		for _, u := range to.Users {
			long = h.shardOf(u).deliver(u, e, &direct, long)
		}
	}
	direct.write()
	awaitShortQueue(long)
}

// direct is the connections to which the delivering goroutine writes itself, after it
// has released the locks.
type direct struct {
	conns [shareSize]*Conn
	n     int
}

// addLocked makes the delivering goroutine the writer of c, or leaves c to a worker if
// there are enough already.
func (d *direct) addLocked(c *Conn) {
	if d.n == len(d.conns) || !c.transport.Nonblocking() {
		c.wakeLocked()
	} else if c.claimLocked() {
		d.conns[d.n] = c
		d.n++
	}
}

func (d *direct) write() {
	for _, c := range d.conns[:d.n] {
		c.writeSome()
	}
}

// setOf returns a set of users; nil: it is empty.
func setOf(users []notify.UserID) map[notify.UserID]bool {
	if len(users) == 0 {
		return nil
	}
	set := make(map[notify.UserID]bool, len(users))
	for _, u := range users {
		set[u] = true
	}
	return set
}

// DeliverTopics does what Deliver does for the readers of topics other than the users in
// except, with an event for each topic. A connection that receives several of them is
// offered the event of the first one only.
func (h *Hub) DeliverTopics(topics []notify.Topic, except []notify.UserID, event func(notify.Topic) *Event) {
	hits := h.subscriptions.find(topics)
	if len(hits) == 0 {
		return
	}
	events := make([]*Event, len(topics))
	for i, t := range topics {
		events[i] = event(t)
	}
	var long []*Conn
	shards, leftOut, at := shardsOf(hits), setOf(except), events[0].Sequence // all have the same
	for i := range h.shards {
		if shards.has(i) {
			long = h.shards[i].deliverTopics(hits, at, leftOut, events, long)
		}
	}
	awaitShortQueue(long)
}

// DeliverShared offers the same events to every connection of the readers in to, with
// nothing between them. All belong to the sequence seq. If the last one does not have
// seq, more events of that sequence follow. A joining connection is not offered them,
// but must reach seq before it goes live.
func (h *Hub) DeliverShared(to notify.Readers, seq notify.Sequence, events []*Event) {
	var long []*Conn
	offer := func(c *Conn) {
		if c.offerAllLocked(events, seq) {
			long = append(long, c)
		}
	}
	h.each(to, offer)
	awaitShortQueue(long)
}

// DeliverUser does what DeliverShared does for the connections of one user, each with
// the events that makeEvents returns for its reader. makeEvents is called once for each
// different reader, without a lock. A connection for which it reports false ends.
func (h *Hub) DeliverUser(u notify.UserID, seq notify.Sequence, makeEvents func(notify.Reader) (events []*Event, ok bool)) {
	h.offerUser(u, makeEvents, func(c *Conn, events []*Event) bool { return c.offerAll(events, seq) })
}

// offerUser makes events for the connections of a user and calls offer with them. offer
// reports whether the connection's queue is long now.
func (h *Hub) offerUser(u notify.UserID, makeEvents func(notify.Reader) ([]*Event, bool), offer func(*Conn, []*Event) (long bool)) {
	var long []*Conn
	made := byReader[[]*Event]{}
	for _, c := range h.shardOf(u).connsOf(u) {
		events, ok := made.get(c, makeEvents)
		switch {
		case !ok:
			c.End(notify.CloseInternal)
		case offer(c, events):
			long = append(long, c)
		}
	}
	awaitShortQueue(long)
}

// byReader caches values that were made for the readers of one user.
type byReader[T any] []madeFor[T]

type madeFor[T any] struct {
	reader notify.Reader
	made   T
	ok     bool
}

// get returns the value that was made for a reader equal to that of c, or makes one.
func (all *byReader[T]) get(c *Conn, mk func(notify.Reader) (T, bool)) (T, bool) {
	r := c.Reader()
	for _, m := range *all {
		if m.reader.User == r.User && m.reader.Since.Equal(r.Since) && slices.Equal(m.reader.Topics, r.Topics) {
			return m.made, m.ok
		}
	}
	made, ok := mk(r)
	*all = append(*all, madeFor[T]{r, made, ok})
	return made, ok
}

// Reached notes that every connection was offered all its events up to seq. The
// delivering goroutine calls it after the last of them.
func (h *Hub) Reached(seq notify.Sequence) { h.delivered.Store(uint64(seq)) }

func awaitShortQueue(long []*Conn) {
	for _, c := range long {
		c.awaitShortQueue()
	}
}

// broadcast offers e to all connections but those of the users in except, and appends to
// long those whose queue is long.
func (s *shard) broadcast(at time.Time, except map[notify.UserID]bool, e *Event, long []*Conn) []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := momentOf(at)
	for u, conns := range s.users {
		if except[u] {
			continue
		}
		for _, c := range slices.Backward(conns) { // backward: offerLocked may remove c
			if c.principal.since > from || c.hidesLocked(e) {
				continue
			}
			if c.offerLocked(e) {
				c.wakeLocked()
			}
			if c.isLongLocked() {
				long = append(long, c)
			}
		}
	}
	return long
}

// deliver does the same for the connections of a user, some of which the delivering
// goroutine will write to itself.
func (s *shard) deliver(u notify.UserID, e *Event, direct *direct, long []*Conn) []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range slices.Backward(s.users[u]) {
		if c.hidesLocked(e) {
			continue
		}
		if c.offerLocked(e) {
			direct.addLocked(c)
		}
		if c.isLongLocked() {
			long = append(long, c)
		}
	}
	return long
}

// deliverTopics does what broadcast does for the connections that receive topics, each
// of which has an event.
func (s *shard) deliverTopics(hits []hit, at notify.Sequence, except map[notify.UserID]bool, events []*Event, long []*Conn) []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.eachReceiverLocked(hits, at, func(c *Conn, i int) {
		if except[c.principal.user] || c.hidesLocked(events[i]) {
			return
		}
		if c.offerLocked(events[i]) {
			c.wakeLocked()
		}
		if c.isLongLocked() {
			long = append(long, c)
		}
	})
	return long
}

func (c *Conn) offerAll(events []*Event, seq notify.Sequence) (long bool) {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	return c.offerAllLocked(events, seq)
}

// offerAllLocked is offerLocked for several events that belong together. It reports
// whether the queue of c is long now.
func (c *Conn) offerAllLocked(events []*Event, seq notify.Sequence) (long bool) {
	if seq <= c.seen {
		return false
	}
	if c.phase != live {
		c.seen = seq
		return false
	}
	c.seen = max(c.seen, events[len(events)-1].Sequence)
	for _, e := range events {
		c.enqueueLocked(e)
	}
	return c.isLongLocked()
}

// each calls do with each connection of the readers in to, once, with its shard locked.
// do may end the connection.
func (h *Hub) each(to notify.Readers, do func(*Conn)) {
	for _, u := range to.Users {
		h.shardOf(u).eachOfUser(u, do)
	}
	if !to.All && len(to.Topics) == 0 {
		return
	}
	hits := h.subscriptions.find(to.Topics)
	shards := shardsOf(hits)
	for i := range h.shards {
		if s := &h.shards[i]; to.All {
			s.eachOfAll(do)
		} else if shards.has(i) {
			s.eachOfTopics(hits, do)
		}
	}
}

func (s *shard) eachOfUser(u notify.UserID, do func(*Conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range slices.Backward(s.users[u]) { // backward: do may remove c
		do(c)
	}
}

func (s *shard) eachOfAll(do func(*Conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, conns := range s.users {
		for _, c := range slices.Backward(conns) {
			do(c)
		}
	}
}

func (s *shard) eachOfTopics(hits []hit, do func(*Conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.eachReceiverLocked(hits, ever, func(c *Conn, _ int) { do(c) })
}

func (s *shard) connsOf(u notify.UserID) []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.users[u])
}

// FollowShared offers the same events to every connection of the readers in to, unless it
// still receives the notification of held. The events follow the event with the sequence
// seq and have none themselves. A connection that is joining, or was offered something
// later, does not receive them: it has read its history up to seq at least.
func (h *Hub) FollowShared(to notify.Readers, held Holding, seq notify.Sequence, events []*Event) {
	var long []*Conn
	h.each(to, func(c *Conn) {
		if c.holdsLocked(held) {
			return
		}
		if c.followLocked(events, seq) {
			long = append(long, c)
		}
	})
	awaitShortQueue(long)
}

// FollowUser does what FollowShared does for the connections of one user, with events
// made as for DeliverUser.
func (h *Hub) FollowUser(u notify.UserID, seq notify.Sequence, makeEvents func(notify.Reader) (events []*Event, ok bool)) {
	h.offerUser(u, makeEvents, func(c *Conn, events []*Event) bool {
		c.shard.mu.Lock()
		defer c.shard.mu.Unlock()
		return c.followLocked(events, seq)
	})
}

// followLocked queues events that belong directly after the event with the sequence seq.
// It reports whether the queue of c is long now.
func (c *Conn) followLocked(events []*Event, seq notify.Sequence) (long bool) {
	if c.phase != live || c.seen > seq {
		return false
	}
	for _, e := range events {
		c.enqueueLocked(e)
	}
	return c.isLongLocked()
}
