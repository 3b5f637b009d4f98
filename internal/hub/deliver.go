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
func (h *Hub) Deliver(to notify.Readers, at time.Time, f *Event) {
	var direct direct
	var long []*Conn
	switch {
	case to.All:
		for i := range h.shards {
			long = h.shards[i].broadcast(at, f, long)
		}
	case len(to.Topics) > 0:
		h.DeliverTopics(to.Topics, func(notify.Topic) *Event { return f })
	default:
		for _, u := range to.Users {
			long = h.shardOf(u).deliver(u, f, &direct, long)
		}
	}
	direct.write()
	awaitTaken(long)
}

// own is the connections that whoever delivers writes to, when it holds no lock.
type direct struct {
	conns [shareSize]*Conn
	n     int
}

// take takes c, which has something to be written, or leaves it to a worker.
// The shard's lock is held.
func (d *direct) addLocked(c *Conn) {
	if d.n == len(d.conns) || !c.transport.Tries() {
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

// DeliverTopics does what Deliver does for topics, when what is told names the
// topic: a connection that hears several is offered the frame of the first of
// them, once.
func (h *Hub) DeliverTopics(topics []notify.Topic, frame func(notify.Topic) *Event) {
	hits := h.subscriptions.find(topics)
	if len(hits) == 0 {
		return
	}
	frames := make([]*Event, len(topics))
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

// DeliverShared offers the same frames to every connection that to names, with
// nothing between them. All belong to the sequence seq. If the last does not bear seq,
// more of that sequence follows. A joining connection is not offered them, but must
// reach seq before it goes live.
func (h *Hub) DeliverShared(to notify.Readers, seq notify.Sequence, frames []*Event) {
	var long []*Conn
	offer := func(c *Conn) {
		if c.offerAllLocked(frames, seq) {
			long = append(long, c)
		}
	}
	h.eachLocked(to, offer)
	awaitTaken(long)
}

// DeliverUser does what DeliverShared does for the connections of one user, each of
// which is offered the frames that are made for its reader. frames is called once
// for each reader that differs from the others, and no lock is held then. A
// connection for which it reports false ends.
func (h *Hub) DeliverUser(u notify.UserID, seq notify.Sequence, frames func(notify.Reader) (fs []*Event, ok bool)) {
	h.offerUser(u, frames, func(c *Conn, fs []*Event) bool { return c.offerAll(fs, seq) })
}

// offerUser makes frames for the connections of a user and calls offer with them,
// which reports whether the connection's queue is long now.
func (h *Hub) offerUser(u notify.UserID, frames func(notify.Reader) ([]*Event, bool), offer func(*Conn, []*Event) (long bool)) {
	var long []*Conn
	made := byReader[[]*Event]{}
	for _, c := range h.shardOf(u).connsOf(u) {
		fs, ok := made.get(c, frames)
		switch {
		case !ok:
			c.End(notify.CloseInternal)
		case offer(c, fs):
			long = append(long, c)
		}
	}
	awaitTaken(long)
}

// byReader keeps what was made for the readers of one user.
type byReader[T any] []madeFor[T]

type madeFor[T any] struct {
	reader notify.Reader
	made   T
	ok     bool
}

// get returns the value that was made for a reader equal to that of c, or makes one.
func (all *byReader[T]) get(c *Conn, mk func(notify.Reader) (T, bool)) (T, bool) {
	p := c.Principal()
	r := p.Reader()
	for _, m := range *all {
		if m.reader.User == r.User && m.reader.Since.Equal(r.Since) && slices.Equal(m.reader.Topics, r.Topics) {
			return m.made, m.ok
		}
	}
	made, ok := mk(r)
	*all = append(*all, madeFor[T]{r, made, ok})
	return made, ok
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
func (s *shard) broadcast(at time.Time, f *Event, long []*Conn) []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := momentOf(at)
	for _, conns := range s.users {
		for _, c := range slices.Backward(conns) { // backward: offering may remove c
			if c.principal.since > from {
				continue
			}
			if c.offerLocked(f) {
				c.wakeLocked()
			}
			if c.isLongLocked() {
				long = append(long, c)
			}
		}
	}
	return long
}

// deliver does the same for the connections of a user, and leaves some of them
// to whoever delivers.
func (s *shard) deliver(u notify.UserID, f *Event, direct *direct, long []*Conn) []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range slices.Backward(s.users[u]) {
		if c.offerLocked(f) {
			direct.addLocked(c)
		}
		if c.isLongLocked() {
			long = append(long, c)
		}
	}
	return long
}

// deliverTopics does what broadcast does for those who hear topics, each of
// which has a frame.
func (s *shard) deliverTopics(hits []hit, frames []*Event, long []*Conn) []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.eachHearerLocked(hits, func(c *Conn, i int) {
		if c.offerLocked(frames[i]) {
			c.wakeLocked()
		}
		if c.isLongLocked() {
			long = append(long, c)
		}
	})
	return long
}

func (c *Conn) offerAll(frames []*Event, seq notify.Sequence) (long bool) {
	c.shard.mu.Lock()
	defer c.shard.mu.Unlock()
	return c.offerAllLocked(frames, seq)
}

// offerAllLocked is offer for several frames that belong together, and reports
// whether c's queue is long now.
func (c *Conn) offerAllLocked(frames []*Event, seq notify.Sequence) (long bool) {
	if seq <= c.seen {
		return false
	}
	if c.phase != live {
		c.seen = seq
		return false
	}
	c.seen = max(c.seen, frames[len(frames)-1].Sequence)
	for _, f := range frames {
		c.enqueueLocked(f)
	}
	return c.isLongLocked()
}

// eachLocked calls do with each connection that to names, once, with its shard
// locked. do may end the connection.
func (h *Hub) eachLocked(to notify.Readers, do func(*Conn)) {
	for _, u := range to.Users {
		h.shardOf(u).eachOf(u, do)
	}
	if !to.All && len(to.Topics) == 0 {
		return
	}
	hits := h.subscriptions.find(to.Topics)
	shards := shardsOf(hits)
	for i := range h.shards {
		if s := &h.shards[i]; to.All {
			s.each(do)
		} else if shards.has(i) {
			s.eachHearing(hits, do)
		}
	}
}

func (s *shard) eachOf(u notify.UserID, do func(*Conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range slices.Backward(s.users[u]) { // backward: do may remove c
		do(c)
	}
}

func (s *shard) each(do func(*Conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, conns := range s.users {
		for _, c := range slices.Backward(conns) {
			do(c)
		}
	}
}

func (s *shard) eachHearing(hits []hit, do func(*Conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.eachHearerLocked(hits, func(c *Conn, _ int) { do(c) })
}

func (s *shard) connsOf(u notify.UserID) []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.users[u])
}

// FollowShared offers every connection that to names, and that hears none of except,
// the same frames. They follow the frame with the sequence seq and bear none
// themselves. A connection that is joining, or was told something later, is not told:
// it has read its past up to seq at least.
func (h *Hub) FollowShared(to notify.Readers, except []notify.Topic, seq notify.Sequence, frames []*Event) {
	var long []*Conn
	h.eachLocked(to, func(c *Conn) {
		if len(except) > 0 {
			if _, hears := notify.Heard(c.principal.topics(), except); hears {
				return
			}
		}
		if c.followLocked(frames, seq) {
			long = append(long, c)
		}
	})
	awaitTaken(long)
}

// FollowUser does what FollowShared does for the connections of one user, with frames
// that are made as for DeliverUser.
func (h *Hub) FollowUser(u notify.UserID, seq notify.Sequence, frames func(notify.Reader) (fs []*Event, ok bool)) {
	h.offerUser(u, frames, func(c *Conn, fs []*Event) bool {
		c.shard.mu.Lock()
		defer c.shard.mu.Unlock()
		return c.followLocked(fs, seq)
	})
}

// followLocked offers frames that belong behind the frame with the sequence seq, and
// reports whether c's queue is long now.
func (c *Conn) followLocked(frames []*Event, seq notify.Sequence) (long bool) {
	if c.phase != live || c.seen > seq {
		return false
	}
	for _, f := range frames {
		c.enqueueLocked(f)
	}
	return c.isLongLocked()
}
