package hub

import (
	"slices"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// Deliver offers f to every connection that hears what was told to some at a
// time, and waits for no peer. What has a sequence comes from one goroutine
// alone, in the journal's order; what has none may come from any. Whoever
// delivers leaves no queue longer than half, as far as its peer takes what it is
// sent: a burst is no reason to call somebody slow.
//
// What is told to few users, Deliver itself writes, as far as the network takes
// it at once: waking somebody who does would cost as much as the write.
func (h *Hub) Deliver(to notify.Readers, at time.Time, f *Frame) {
	var own own
	var long []*Conn
	switch {
	case to.All:
		for i := range h.shards {
			long = h.shards[i].broadcast(at, f, long)
		}
	case len(to.Topics) > 0:
		h.DeliverTopics(to.Topics, func(notify.Topic) *Frame { return f })
	default:
		for _, u := range to.Users {
			long = h.shardOf(u).deliver(u, f, &own, long)
		}
	}
	own.write()
	awaitTaken(long)
}

// own is the connections that whoever delivers writes to, when it holds no lock.
type own struct {
	conns [workerShare]*Conn
	n     int
}

// take takes c, which has something to be written, or leaves it to a worker.
// The shard's lock is held.
func (o *own) take(c *Conn) {
	if o.n == len(o.conns) || !c.transport.Tries() {
		c.wake()
	} else if c.takeUp() {
		o.conns[o.n] = c
		o.n++
	}
}

func (o *own) write() {
	for _, c := range o.conns[:o.n] {
		c.writeSome()
	}
}

// DeliverTopics does what Deliver does for topics, when what is told names the
// topic: a connection that hears several is offered the frame of the first of
// them, once.
func (h *Hub) DeliverTopics(topics []notify.Topic, frame func(notify.Topic) *Frame) {
	hits := h.subscriptions.find(topics)
	if len(hits) == 0 {
		return
	}
	frames := make([]*Frame, len(topics))
	for i, t := range topics {
		frames[i] = frame(t)
	}
	var long []*Conn
	shards := shardsOf(hits)
	for i := range h.shards {
		if shards.has(i) {
			long = h.shards[i].deliverTopics(hits, frames, long)
		}
	}
	awaitTaken(long)
}

// DeliverEach offers each connection that to names frames of its own, all of the
// sequence seq, which the last may bear; if it does not, more of seq comes. No
// lock is held while frames makes them: none says that there is nothing to tell.
// A connection that is joining is not told, but must reach the sequence.
func (h *Hub) DeliverEach(to notify.Readers, seq notify.Sequence, frames func(c *Conn) []*Frame) {
	var long []*Conn
	h.gather(to, func(conns []*Conn) {
		for _, c := range conns {
			if own := frames(c); len(own) > 0 && c.offerAll(own, seq) {
				long = append(long, c)
			}
		}
	})
	awaitTaken(long)
}

// Reached notes that every connection was offered everything up to seq that it
// hears: whoever delivers says so behind the last of it.
func (h *Hub) Reached(seq notify.Sequence) { h.delivered.Store(uint64(seq)) }

func awaitTaken(long []*Conn) {
	for _, c := range long {
		c.awaitTaken()
	}
}

// broadcast offers f to all connections, and appends those to long whose queue
// is long.
func (s *shard) broadcast(at time.Time, f *Frame, long []*Conn) []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := momentOf(at)
	for _, conns := range s.users {
		for _, c := range slices.Backward(conns) { // backward: offering may remove c
			if c.holder.since > from {
				continue
			}
			if c.offer(f) {
				c.wake()
			}
			if c.isLong() {
				long = append(long, c)
			}
		}
	}
	return long
}

// deliver does the same for the connections of a user, and leaves some of them
// to whoever delivers.
func (s *shard) deliver(u notify.UserID, f *Frame, own *own, long []*Conn) []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range slices.Backward(s.users[u]) {
		if c.offer(f) {
			own.take(c)
		}
		if c.isLong() {
			long = append(long, c)
		}
	}
	return long
}

// deliverTopics does what broadcast does for those who hear topics, each of
// which has a frame.
func (s *shard) deliverTopics(hits []hit, frames []*Frame, long []*Conn) []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.eachHearerLocked(hits, func(c *Conn, i int) {
		if c.offer(frames[i]) {
			c.wake()
		}
		if c.isLong() {
			long = append(long, c)
		}
	})
	return long
}

// offerAll is offer for several frames that are told together, and reports
// whether c's queue is long now.
func (c *Conn) offerAll(frames []*Frame, seq notify.Sequence) (long bool) {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	if seq <= c.seen {
		return false
	}
	if c.phase != live {
		c.seen = seq
		return false
	}
	c.seen = max(c.seen, frames[len(frames)-1].Sequence)
	for _, f := range frames {
		c.enqueue(f)
	}
	return c.isLong()
}

// gather calls do with the connections that to names, each once, those of a
// user or of a shard at a time. No lock is held then.
func (h *Hub) gather(to notify.Readers, do func([]*Conn)) {
	for _, u := range to.Users {
		do(h.shardOf(u).connsOf(u))
	}
	if !to.All && len(to.Topics) == 0 {
		return
	}
	hits := h.subscriptions.find(to.Topics)
	shards := shardsOf(hits)
	for i := range h.shards {
		if s := &h.shards[i]; to.All {
			do(s.conns())
		} else if shards.has(i) {
			do(s.hearers(hits))
		}
	}
}

func (s *shard) connsOf(u notify.UserID) []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.users[u])
}

func (s *shard) conns() []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*Conn
	for _, conns := range s.users {
		all = append(all, conns...)
	}
	return all
}

func (s *shard) hearers(hits []hit) []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*Conn
	s.eachHearerLocked(hits, func(c *Conn, _ int) { all = append(all, c) })
	return all
}
