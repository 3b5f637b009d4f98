package store

import (
	"slices"

	"github.com/bellhop/bellhop/internal/notify"
)

// Counts returns the numbers of notifications of r up to a sequence, by their read state. An
// expired notification counts until a Cleanup removes it. Counts is called for every connection,
// so the work depends on the number of intervals of the user, and not on that of topics or
// notifications. Notifications to several topics are an exception: for a reader of several feeds
// with such notifications, their sequences are merged. If preferences of the user hide
// notifications, the work depends on the number of notifications: see countNewest.
func (s *Store) Counts(r notify.Reader, upTo notify.Sequence) (notify.Counts, error) {
	counts, hides, err := s.countAll(r, upTo)
	if err != nil || !hides {
		return counts, err
	}
	c, err := s.countNewest(r, upTo, &notify.Filter{}, notify.ByNothing)
	return c.Counts, err
}

// countAll is Counts, unless preferences of the user hide notifications: which ones is known only
// from the notifications themselves.
func (s *Store) countAll(r notify.Reader, upTo notify.Sequence) (counts notify.Counts, hides bool, err error) {
	v := s.snapshots.acquire()
	defer v.release()
	c := &counter{store: s, state: newUserState(v, r.User), upTo: upTo}
	own, err := readHistoryOf(v, ofUser(r.User))
	if err != nil || own.mutes {
		return counts, own.mutes, err
	}
	err = c.countAll(v, r, &own)
	return c.counts, false, err
}

// countAll counts what r hears. own is the history of its user.
func (c *counter) countAll(v *snapshot, r notify.Reader, own *history) error {
	if err := c.userItems(v, ofUser(r.User), own); err != nil {
		return err
	}
	if err := c.everyone(r); err != nil {
		return err
	}
	heard, err := readHeard(v, r, own)
	if err != nil {
		return err
	}
	named, err := feedsRead(v, r.Topics)
	if err != nil {
		return err
	}
	feeds := heard.feeds(named)
	if len(feeds) >= preloadedFrom {
		if err := c.state.preload("*", maxPreloaded+2*len(feeds)); err != nil {
			return err
		}
	}
	for i := range feeds {
		if err := c.single(&feeds[i]); err != nil {
			return err
		}
	}
	return c.multi(feeds)
}

// preloadedFrom is the number of feeds from which on all intervals of the user are read at one time.
const preloadedFrom = 8

// counter counts the notifications of one user up to a sequence.
type counter struct {
	store  *Store
	state  *userState
	upTo   notify.Sequence
	counts notify.Counts
}

// mark counts n notifications with a state that were counted as new.
func (c *counter) mark(s itemState, n int) {
	itemState{}.count(&c.counts, -n)
	s.count(&c.counts, n)
}

// userItems counts the items of the user.
func (c *counter) userItems(v *snapshot, o owner, h *history) error {
	c.counts.Unread += int(h.unread) //nolint:gosec // a number of notifications
	c.counts.Unseen += int(h.unseen) //nolint:gosec // a number of notifications
	if v.applied <= c.upTo || h.unread+h.unseen == 0 {
		return nil
	}
	// There are later items only until the journal's durable sequence has reached them.
	return each(v, o.itemKey(c.upTo+1), o.itemKey(^notify.Sequence(0)), func(_, b []byte) (bool, error) {
		had, _, err := readUserItem(b)
		had.count(&c.counts, -1)
		return true, err
	})
}

// everyone counts the notifications to everyone, by going through all of them: retention
// bounds their number.
func (c *counter) everyone(r notify.Reader) error {
	all := c.store.index.everyone()
	if len(all) == 0 {
		return nil
	}
	m, err := c.state.everyoneIntervals()
	if err != nil {
		return err
	}
	for _, b := range all {
		if b.seq > c.upTo {
			break
		}
		for len(m) > 0 && m[0].to < b.seq {
			m = m[1:]
		}
		var had itemState
		if len(m) > 0 && m[0].from <= b.seq {
			had = m[0].itemState
		}
		if r.Since.IsZero() || !fromMillis(b.time).Before(r.Since) {
			had.count(&c.counts, 1)
		}
	}
	return nil
}

// single counts the notifications of a feed that were published to one topic: all of them
// as new, corrected by the feed's intervals, and then by those of narrower feeds.
func (c *counter) single(f *heardFeed) error {
	feed := f.name
	rank, err := c.sequences(feed)
	if err != nil {
		return err
	}
	count := 0
	for _, i := range f.overlap(intervalSet{{to: c.upTo}}) {
		count += rank.singleBetween(i.from, i.to)
	}
	if count == 0 {
		return nil
	}
	itemState{}.count(&c.counts, count)
	wider, err := c.state.widerIntervals(feed)
	if err != nil {
		return err
	}
	own, err := c.state.ownIntervals(feed)
	if err != nil {
		return err
	}
	for _, i := range f.overlap(own.withFallback(wider)) {
		c.mark(i.itemState, rank.singleBetween(i.from, min(i.to, c.upTo)))
	}
	if !isPattern(feed) {
		return nil
	}
	return c.state.eachUnder(feed[:len(feed)-1], "", func(narrower string, m intervalSet) (bool, error) {
		if narrower == feed {
			return true, nil
		}
		return true, c.narrower(narrower, m)
	})
}

// narrower corrects the counts of a pattern by the intervals of a narrower feed, where they
// differ from those of wider ones.
func (c *counter) narrower(feed string, own intervalSet) error {
	wider, err := c.state.widerIntervals(feed)
	if err != nil {
		return err
	}
	differing := own.differingFrom(wider)
	if len(differing) == 0 {
		return nil
	}
	rank, err := c.sequences(feed)
	if err != nil {
		return err
	}
	for _, i := range differing {
		c.mark(i.itemState, rank.singleBetween(i.from, min(i.to, c.upTo)))
	}
	if len(wider) == 0 {
		return nil
	}
	replaced := combine(differing, wider, func(own, w *interval) (interval, bool) {
		if own == nil || w == nil {
			return interval{}, false
		}
		return *w, true
	})
	for _, i := range replaced { // they were counted by the state of the wider interval
		c.mark(i.itemState, -rank.singleBetween(i.from, min(i.to, c.upTo)))
	}
	return nil
}

// multi counts the notifications to several topics of all feeds together, since one
// notification may be in several feeds.
func (c *counter) multi(feeds []heardFeed) error {
	var having []*feedSequences
	var of []*heardFeed
	for i := range feeds {
		r, err := c.sequences(feeds[i].name)
		if err != nil {
			return err
		}
		if r.hasMulti() {
			having, of = append(having, r), append(of, &feeds[i])
		}
	}
	switch {
	case len(having) == 0:
		return nil
	case len(having) == 1 && of[0].within == nil:
		return c.multiOf(having[0])
	}
	var all []notify.Sequence
	for i, r := range having {
		r.mu.Lock()
		some := r.multi.appendUpTo(nil, c.upTo)
		r.mu.Unlock()
		all = append(all, slices.DeleteFunc(some, func(seq notify.Sequence) bool { return !of[i].has(seq) })...)
	}
	slices.Sort(all)
	return c.multiOf(&feedSequences{multi: sequencesOf(slices.Compact(all))})
}

// multiOf counts the notifications to several topics: all of them as new, corrected by those
// that the user has marked.
func (c *counter) multiOf(r *feedSequences) error {
	itemState{}.count(&c.counts, r.multiBetween(0, c.upTo))
	prefix := readStatePrefix(kindReadMulti, c.state.user)
	return each(c.state.from, prefix, endOfPrefix(prefix), func(_, v []byte) (bool, error) {
		m, err := readIntervals(v)
		for _, i := range m {
			c.mark(i.itemState, r.multiBetween(i.from, min(i.to, c.upTo)))
		}
		return true, err
	})
}

func (c *counter) sequences(feed string) (*feedSequences, error) {
	return c.store.index.feed(feed, &c.store.snapshots)
}
