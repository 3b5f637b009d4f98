package hub

import "github.com/bellhop/bellhop/internal/notify"

// FollowShared offers every connection that to names, and that hears none of except,
// the same frames. They follow the frame with the sequence seq and bear none
// themselves. A connection that is joining, or was told something later, is not told:
// it has read its past up to seq at least.
func (h *Hub) FollowShared(to notify.Readers, except []notify.Topic, seq notify.Sequence, frames []*Event) {
	var long []*Conn
	h.eachLocked(to, func(c *Conn) {
		if len(except) > 0 {
			if _, hears := notify.Heard(c.holder.topics(), except); hears {
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
		c.enqueue(f)
	}
	return c.isLong()
}
