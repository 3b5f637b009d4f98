package store

import (
	"fmt"

	"github.com/bellhop/bellhop/internal/notify"
)

// maxGroups is the maximum of groups in a count. Types and topics are named by backends, and the
// names of ten thousand notifications would be megabytes.
const maxGroups = 1_000

// CountMatching returns the numbers of notifications of r up to a sequence that match f, whatever
// its State, in total and in groups. It reads the newest maxListReads notifications of the inbox
// only, so that its work is bounded. If f selects everything, the total is that of Counts, which
// is complete. An expired notification counts until a Cleanup removes it, as in Counts.
//
// A notification to several topics is in the group of each topic that r hears and f selects, so
// that each group has the count of a filter with its topic. There are at most maxGroups groups:
// those of the newest notifications.
func (s *Store) CountMatching(r notify.Reader, upTo notify.Sequence, f *notify.Filter, by notify.Grouping) (c notify.GroupedCounts, err error) {
	if f.Narrows() {
		return s.countNewest(r, upTo, f, by)
	}
	total, hides, err := s.countAll(r, upTo)
	if err != nil || by == notify.ByNothing && !hides {
		return notify.GroupedCounts{Counts: total}, err
	}
	c, err = s.countNewest(r, upTo, f, by)
	if !hides {
		c.Counts = total
	}
	return c, err
}

// countNewest counts the notifications of r up to a sequence that match f and are not hidden by
// preferences, among the newest maxListReads.
func (s *Store) countNewest(r notify.Reader, upTo notify.Sequence, f *notify.Filter, by notify.Grouping) (c notify.GroupedCounts, err error) {
	t, err := s.timeline(r, 0, upTo)
	if err != nil {
		return c, err
	}
	defer t.close()
	t.backward = true
	if err := t.openIterators(); err != nil {
		return c, err
	}
	g := grouping{timeline: t, by: by, counts: notify.GroupedCounts{By: map[string]notify.Counts{}}}
	g.filter = *f
	g.filter.State = notify.StateUnread // an unseen notification is unread as well
	for range maxListReads {
		seq, ok := t.next()
		if !ok {
			break
		}
		if err := g.add(seq); err != nil {
			return c, fmt.Errorf("count notification %d: %w", seq, err)
		}
	}
	return g.counts, t.err()
}

// grouping counts the notifications of a timeline.
type grouping struct {
	*timeline
	filter notify.Filter
	by     notify.Grouping
	counts notify.GroupedCounts
}

// add counts the notification at seq, which next has returned, if it matches.
func (g *grouping) add(seq notify.Sequence) error {
	n, ok, err := g.notificationAt(seq, &g.filter)
	if !ok || err != nil {
		return err
	}
	one := notify.Counts{Unread: 1}
	if n.Seen.IsZero() {
		one.Unseen = 1
	}
	g.counts.Counts = g.counts.Plus(one)
	switch g.by {
	case notify.ByType:
		g.addTo(n.Type(), one)
	case notify.ByPriority:
		g.addTo(string(n.Priority()), one)
	case notify.ByTopic:
		for _, topic := range n.Topics {
			if g.filter.MatchesTopic(topic) && g.hears(topic, seq) {
				g.addTo(string(topic), one)
			}
		}
	case notify.ByNothing:
	}
	g.contents = g.contents[:0] // no content is kept
	return nil
}

func (g *grouping) addTo(group string, c notify.Counts) {
	if old, ok := g.counts.By[group]; ok || len(g.counts.By) < maxGroups {
		g.counts.By[group] = old.Plus(c)
	}
}
