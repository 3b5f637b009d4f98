package service

import (
	"slices"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
)

// Deliver passes c on to the open connections of this node, or ends those that it
// revokes. It waits for no peer.
func (s *Service) Deliver(c notify.Change) {
	switch c := c.(type) {
	case *notify.Notification:
		s.delivered(c.Sequence)
		s.deliverNotification(c)
	case notify.InboxChange:
		s.delivered(c.Sequence)
		s.deliverChange(&c)
	case notify.Recount:
		s.opts.Hub.Recount(c.To)
	case notify.MemberChange:
		s.delivered(c.Sequence)
		for _, of := range c.Left {
			s.opts.Hub.ChangeMembers(of, false, c.Sequence)
		}
		for _, of := range c.Joined {
			s.opts.Hub.ChangeMembers(of, true, c.Sequence)
		}
	case notify.MutingChange:
		s.delivered(c.Sequence)
		s.opts.Hub.ChangeMuting(c.User, c.Muting, c.Sequence)
	case notify.Erased:
		s.delivered(c.Sequence)
		s.opts.Hub.Disconnect(c.User, "", notify.CloseDisconnected)
		s.receipts.forget(c.User)
	case notify.Revocation:
		s.opts.Hub.Revoke(c)
	}
}

// delivered notes in the hub that everything before seq was delivered. Whether seq
// itself was is known when the next change comes: one entry may yield several.
func (s *Service) delivered(seq notify.Sequence) {
	if seq > 0 {
		s.opts.Hub.Reached(seq - 1)
	}
}

func (s *Service) deliverNotification(n *notify.Notification) {
	defer s.traceDelivery(n)()
	if n.Audience != notify.AudienceTopic {
		to := notify.Readers{Users: n.Users, All: n.Audience == notify.AudienceAll, Except: n.Except}
		s.opts.Hub.Deliver(to, n.Time, &hub.Event{Sequence: n.Sequence, Content: hub.Notification{Notification: n}})
		return
	}
	s.opts.Hub.DeliverTopics(n.Topics, n.Except, func(t notify.Topic) *hub.Event {
		e := &struct {
			hub.Event
			received notify.Notification
		}{received: *n}
		e.received.Topic = t
		e.Sequence, e.Content = n.Sequence, hub.Notification{Notification: &e.received}
		return &e.Event
	})
}

// deliverChange delivers what has changed in inboxes. A change that concerns one user
// comes with the counts, which are computed once for all connections that read the same.
// A change for many, or for a user whose preferences hide notifications, is one event for
// all, without a count: a Recount follows, for which the wheel counts a bounded number at
// each tick. An eviction is delivered directly after the notification that caused it.
func (s *Service) deliverChange(c *notify.InboxChange) {
	parts, seq := partsOf(c), c.Sequence
	if c.Replaced || c.Evicted {
		seq = 0 // the cursor comes with the notification at c.Sequence
	}
	user, ok := c.User()
	if mutes := ok && s.opts.Hub.Mutes(user); mutes { // counting takes too long here
		ok = false
		defer s.opts.Hub.Recount(c.To)
	}
	switch {
	case !ok && c.Evicted:
		s.opts.Hub.FollowShared(c.To, hub.Holding{Topics: c.HeldBy, At: c.EvictedAt}, c.Sequence, eventsOfParts(parts, seq))
		return
	case !ok:
		s.opts.Hub.DeliverShared(c.To, c.Sequence, eventsOfParts(parts, seq))
		return
	}
	last := len(parts) - 1
	shared := slices.Clip(eventsOfParts(parts[:last], 0))
	events := func(r notify.Reader) ([]*hub.Event, bool) {
		counts, ok := s.Count(r, c.Sequence)
		counted := parts[last]
		counted.Counted, counted.Counts = true, counts
		return append(shared, &hub.Event{Sequence: seq, Content: counted}), ok
	}
	if c.Evicted {
		s.opts.Hub.FollowUser(user, c.Sequence, events)
	} else {
		s.opts.Hub.DeliverUser(user, c.Sequence, events)
	}
}

// eventsOfParts returns an event for each part of a change. Only the last has the
// sequence.
func eventsOfParts(parts []hub.InboxChange, seq notify.Sequence) []*hub.Event {
	events := make([]*hub.Event, len(parts))
	for i := range parts {
		events[i] = &hub.Event{Content: parts[i]}
	}
	if len(events) > 0 {
		events[len(events)-1].Sequence = seq
	}
	return events
}

// partsOf splits c into parts with a number of IDs that every protocol can write in one
// message.
func partsOf(c *notify.InboxChange) []hub.InboxChange {
	rest := hub.InboxChange{Seen: c.Seen, Read: c.Read, Unread: c.Unread, Archived: c.Archived, Recalled: c.Recalled}
	var parts []hub.InboxChange
	for {
		var part hub.InboxChange
		free := hub.MaxChanged
		to := idsOf(&part)
		for i, ids := range idsOf(&rest) {
			n := min(free, len(*ids))
			*to[i], *ids = (*ids)[:n:n], (*ids)[n:]
			free -= n
		}
		parts = append(parts, part)
		if rest.Size() == 0 {
			return parts
		}
	}
}

func idsOf(c *hub.InboxChange) [5]*[]string {
	return [...]*[]string{&c.Seen, &c.Read, &c.Unread, &c.Archived, &c.Recalled}
}

// Count counts the notifications of r up to a sequence, by their read state. It reports
// false if the store fails.
func (s *Service) Count(r notify.Reader, upTo notify.Sequence) (n notify.Counts, ok bool) {
	n, err := s.opts.Store.Counts(r, upTo)
	if err != nil {
		s.opts.Logger.Error("counting notifications failed", "error", err)
	}
	return n, err == nil
}
