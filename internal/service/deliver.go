package service

import (
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/wire"
)

// Deliver tells the open connections on this node of c, or ends those that it
// revokes. It waits for none.
func (s *Service) Deliver(c notify.Change) {
	switch c := c.(type) {
	case *notify.Notification:
		s.reaches(c.Sequence)
		s.tell(c)
	case notify.InboxChange:
		s.reaches(c.Sequence)
		s.tellChange(&c)
	case notify.Recount:
		s.opts.Hub.Recount(c.To)
	case notify.Revocation:
		s.opts.Hub.Revoke(c)
	}
}

// reaches notes that all before seq was delivered. Whether all of seq itself
// was shows when the next comes: one entry may come to several changes.
func (s *Service) reaches(seq notify.Sequence) {
	if seq > 0 {
		s.opts.Hub.Reached(seq - 1)
	}
}

func (s *Service) tell(n *notify.Notification) {
	if n.Audience != notify.AudienceTopic {
		to := notify.Readers{Users: n.Users, All: n.Audience == notify.AudienceAll}
		s.opts.Hub.Deliver(to, n.Time, frameOf(n))
		return
	}
	s.opts.Hub.DeliverTopics(n.Topics, func(t notify.Topic) *hub.Frame {
		heard := *n
		heard.Topic = t
		return frameOf(&heard)
	})
}

// envelope is room for what a notification has beside its content.
const envelope = 192

func frameOf(n *notify.Notification) *hub.Frame {
	_, f := appendFrame(make([]byte, 0, len(n.Content)+envelope), n)
	return f
}

// appendFrame writes n behind what is in data, and returns all that and the frame.
func appendFrame(data []byte, n *notify.Notification) ([]byte, *hub.Frame) {
	at := len(data)
	data = wire.AppendNotification(data, n)
	return data, &hub.Frame{Event: "notification", Sequence: n.Sequence, Data: data[at:len(data):len(data)]}
}

// tellChange tells connections what has changed. A change that concerns one user
// comes with what is unread then, which is counted once for all connections that
// read the same. To many it is one event for all, without a count: the Recount that
// follows has the wheel count for them, a bounded number at a tick. An eviction is
// told directly after the notification that caused it.
func (s *Service) tellChange(c *notify.InboxChange) {
	parts := partsOf(c)
	last := parts[len(parts)-1:]
	if c.Replaced || c.Evicted {
		last[0].Sequence = 0 // the cursor comes with the notification at c.Sequence
	}
	user, ok := c.User()
	switch {
	case !ok && c.Evicted:
		s.opts.Hub.FollowShared(c.To, c.HeldBy, c.Sequence, changeFrames(parts, wire.NoCount))
		return
	case !ok:
		s.opts.Hub.DeliverShared(c.To, c.Sequence, changeFrames(parts, wire.NoCount))
		return
	}
	first := changeFrames(parts[:len(parts)-1], wire.NoCount) // the same for all
	frames := func(r notify.Reader) ([]*hub.Frame, bool) {
		unread, ok := s.unread(r, c.Sequence)
		return append(first[:len(first):len(first)], changeFrames(last, unread)...), ok
	}
	if c.Evicted {
		s.opts.Hub.FollowUser(user, c.Sequence, frames)
	} else {
		s.opts.Hub.DeliverUser(user, c.Sequence, frames)
	}
}

// partsOf splits c so that each part fits a frame. The last alone has the
// sequence.
func partsOf(c *notify.InboxChange) []notify.InboxChange {
	parts := []notify.InboxChange{{}}
	room := wire.MaxChanged
	for i, ids := range idsOf(c) {
		for rest := *ids; len(rest) > 0; {
			if room == 0 {
				parts, room = append(parts, notify.InboxChange{}), wire.MaxChanged
			}
			n := min(room, len(rest))
			*idsOf(&parts[len(parts)-1])[i] = rest[:n]
			rest, room = rest[n:], room-n
		}
	}
	parts[len(parts)-1].Sequence = c.Sequence
	return parts
}

func idsOf(c *notify.InboxChange) [4]*[]string {
	return [...]*[]string{&c.Read, &c.Unread, &c.Archived, &c.Recalled}
}

func changeFrames(parts []notify.InboxChange, unread int) []*hub.Frame {
	fs := make([]*hub.Frame, len(parts))
	for i := range parts {
		c := &parts[i]
		fs[i] = &hub.Frame{Event: "inbox", Sequence: c.Sequence, Data: wire.AppendChange(nil, c, unread)}
	}
	return fs
}

// LiveFrame tells c that it has been told everything up to at, that what comes
// from now on is live, and how much is unread. It is nil if that cannot be
// counted, and then c ends.
func (s *Service) LiveFrame(c *hub.Conn, at notify.Sequence) *hub.Frame {
	p := c.Principal()
	unread, ok := s.unread(p.Reader(), at)
	if !ok {
		c.End(notify.CloseInternal)
		return nil
	}
	return &hub.Frame{Event: "live", Sequence: at, Data: wire.AppendChange(nil, &notify.InboxChange{}, unread)}
}

// RecountFrame tells connections of r how much is unread, now that they have been
// told everything up to at. It reports false if that cannot be counted.
func (s *Service) RecountFrame(r notify.Reader, at notify.Sequence) (f *hub.Frame, ok bool) {
	unread, ok := s.unread(r, at)
	return &hub.Frame{Event: "inbox", Sequence: at, Data: wire.AppendChange(nil, &notify.InboxChange{}, unread)}, ok
}

// unread counts what r was told up to a sequence and its user has not looked at.
// It reports false if the store fails.
func (s *Service) unread(r notify.Reader, upTo notify.Sequence) (n int, ok bool) {
	n, err := s.opts.Store.Unread(r, upTo)
	if err != nil {
		s.opts.Logger.Error("unread notifications could not be counted", "error", err)
	}
	return n, err == nil
}
