package store

import (
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// Unread returns how many notifications that r was told up to a sequence are neither
// read nor archived. A notification that has expired counts until it is swept. The work
// depends on what r's user has marked, neither on the number of topics that r hears nor
// on how much they were told, since every connection asks. The exception are
// notifications to several topics each, of which a reader of several feeds merges the
// sequences.
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

// counter counts what one user has not marked up to a sequence.
type counter struct {
	store *Store
	state *userState
	upTo  notify.Sequence
}

// ownIntervals counts the user's own.
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

// unreadAfter counts what a user has unread behind seq, of which there is
// something only for a moment.
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

// everyone counts what everyone was told, as many as a history keeps at most.
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

// single counts what a feed was told and several topics were not: all that there is,
// less what the feed's intervals mark, and corrected by those of narrower feeds.
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

// narrower returns by how many the unread of a pattern are more for what the intervals
// of a narrower feed say.
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

// changedUnread returns the intervals of own that differ from wider in whether notifications are
// unread.
func changedUnread(own, wider intervalSet) intervalSet {
	if len(wider) == 0 && len(own) == 1 { // as most are
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

// multi counts what several topics were told, of all feeds together: one notification
// may be in several of them.
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

// multiOf counts what several topics were told, all that there is less what the user
// has marked of it.
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
