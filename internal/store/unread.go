package store

import (
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// Unread returns the number of notifications of r up to a sequence that are neither read nor
// archived. An expired notification counts until a Cleanup removes it. Unread is called for every
// connection, so the work depends on the number of intervals of the user, and not on that of topics
// or notifications. Notifications to several topics are an exception: for a reader of several
// feeds with such notifications, their sequences are merged.
func (s *Store) Unread(r notify.Reader, upTo notify.Sequence) (int, error) {
	v := s.snapshots.acquire()
	defer v.release()
	c := &counter{store: s, state: newUserState(v, r.User), upTo: upTo}
	count, err := c.userItems(v, ofUser(r.User))
	if err != nil {
		return 0, err
	}
	n, err := c.everyone(r)
	if err != nil {
		return 0, err
	}
	feeds, err := feedsRead(v, r.Topics)
	if err != nil || len(feeds) == 0 {
		return count + n, err
	}
	count += n
	for _, feed := range feeds {
		n, err := c.single(feed)
		if err != nil {
			return 0, err
		}
		count += n
	}
	n, err = c.multi(feeds)
	return count + n, err
}

// counter counts the unread notifications of one user up to a sequence.
type counter struct {
	store *Store
	state *userState
	upTo  notify.Sequence
}

// userItems counts the unread items of the user.
func (c *counter) userItems(v *snapshot, o owner) (int, error) {
	h, err := readHistoryOf(v, o)
	if err != nil {
		return 0, err
	}
	count := int(h.unread) //nolint:gosec // a number of notifications
	if count > 0 && v.applied > c.upTo {
		later, err := unreadAfter(v, o, c.upTo)
		return count - later, err
	}
	return count, nil
}

// unreadAfter counts the unread items of a user after seq. There are any only until the
// journal's durable sequence has reached them.
func unreadAfter(from pebble.Reader, o owner, seq notify.Sequence) (count int, err error) {
	err = each(from, o.itemKey(seq+1), o.itemKey(^notify.Sequence(0)), func(_, v []byte) (bool, error) {
		had, _, err := readUserItem(v)
		if had.unread() {
			count++
		}
		return true, err
	})
	return count, err
}

// everyone counts the unread notifications to everyone, by going through all of them:
// retention bounds their number.
func (c *counter) everyone(r notify.Reader) (count int, err error) {
	all := c.store.index.everyone()
	if len(all) == 0 {
		return 0, nil
	}
	m, err := c.state.everyoneIntervals()
	if err != nil {
		return 0, err
	}
	for _, b := range all {
		if b.seq > c.upTo {
			break
		}
		for len(m) > 0 && m[0].to < b.seq {
			m = m[1:]
		}
		marked := len(m) > 0 && m[0].from <= b.seq && !m[0].unread()
		if !marked && (r.Since.IsZero() || !fromMillis(b.time).Before(r.Since)) {
			count++
		}
	}
	return count, nil
}

// single counts the unread notifications of a feed that were published to one topic: all
// of them, less those in the feed's intervals, corrected by the intervals of narrower
// feeds.
func (c *counter) single(feed string) (int, error) {
	rank, err := c.sequences(feed)
	if err != nil {
		return 0, err
	}
	count := rank.singleBetween(0, c.upTo)
	if count == 0 {
		return 0, nil
	}
	wider, err := c.state.widerIntervals(feed)
	if err != nil {
		return 0, err
	}
	own, err := c.state.ownIntervals(feed)
	if err != nil {
		return 0, err
	}
	for _, i := range own.withFallback(wider) {
		if !i.unread() {
			count -= rank.singleBetween(i.from, min(i.to, c.upTo))
		}
	}
	if !isPattern(feed) {
		return count, nil
	}
	err = c.state.eachUnder(feed[:len(feed)-1], "", func(narrower string, m intervalSet) (bool, error) {
		if narrower == feed {
			return true, nil
		}
		n, err := c.narrower(narrower, m)
		count += n
		return true, err
	})
	return count, err
}

// narrower returns the correction by the intervals of a narrower feed, which is negative
// if they mark more notifications as read than the wider ones.
func (c *counter) narrower(feed string, own intervalSet) (more int, err error) {
	wider, err := c.state.widerIntervals(feed)
	if err != nil {
		return 0, err
	}
	differing := changedUnread(own, wider)
	if len(differing) == 0 {
		return 0, nil
	}
	rank, err := c.sequences(feed)
	if err != nil {
		return 0, err
	}
	for _, i := range differing {
		n := rank.singleBetween(i.from, min(i.to, c.upTo))
		if i.unread() {
			more += n
		} else {
			more -= n
		}
	}
	return more, nil
}

// changedUnread returns the intervals of own in which notifications are unread and those
// in wider are not, or the reverse.
func changedUnread(own, wider intervalSet) intervalSet {
	if len(wider) == 0 && len(own) == 1 { // the common case
		if own[0].unread() {
			return nil
		}
		return own
	}
	return combine(own, wider, func(o, w *interval) (interval, bool) {
		if o == nil {
			return interval{}, false
		}
		return *o, o.unread() != (w == nil || w.unread())
	})
}

// multi counts the unread notifications to several topics of all feeds together, since
// one notification may be in several feeds.
func (c *counter) multi(feeds []string) (int, error) {
	var having []*feedSequences
	for _, feed := range feeds {
		r, err := c.sequences(feed)
		if err != nil {
			return 0, err
		}
		if r.hasMulti() {
			having = append(having, r)
		}
	}
	switch len(having) {
	case 0:
		return 0, nil
	case 1:
		return c.multiOf(having[0])
	}
	var all []notify.Sequence
	for _, r := range having {
		r.mu.Lock()
		all = r.multi.appendUpTo(all, c.upTo)
		r.mu.Unlock()
	}
	slices.Sort(all)
	return c.multiOf(&feedSequences{multi: sequencesOf(slices.Compact(all))})
}

// multiOf counts the unread notifications to several topics: all of them, less those that
// the user has marked.
func (c *counter) multiOf(r *feedSequences) (int, error) {
	count := r.multiBetween(0, c.upTo)
	prefix := readStatePrefix(kindReadMulti, c.state.user)
	err := each(c.state.from, prefix, endOfPrefix(prefix), func(_, v []byte) (bool, error) {
		m, err := readIntervals(v)
		for _, i := range m {
			if !i.unread() {
				count -= r.multiBetween(i.from, min(i.to, c.upTo))
			}
		}
		return true, err
	})
	return count, err
}

func (c *counter) sequences(feed string) (*feedSequences, error) {
	return c.store.index.feed(feed, &c.store.snapshots)
}
