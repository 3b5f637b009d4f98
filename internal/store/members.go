package store

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// A membership is the sequences in which a user hears a topic, as intervals: from joining to
// leaving. The interval of a current member ends at endless. The intervals of a former member
// stay while the topic has notifications in them, since those stay in the inbox. Whenever the user
// leaves the topic, those without are removed: if a notification in them is kept by another topic, its
// reader does not hear it by this one any more.
const endless = notify.Endless

// isCurrent reports whether the user of a membership is a member now.
func isCurrent(m intervalSet) bool { return len(m) > 0 && m[len(m)-1].to == endless }

// namedPrefix returns the beginning of the keys of a kind under a name.
func namedPrefix(kind byte, name string) []byte {
	k := append(make([]byte, 0, 1+2+2*len(name)), kind)
	k = binary.BigEndian.AppendUint16(k, uint16(len(name))) //nolint:gosec // at most notify.MaxUserBytes
	return append(k, name...)
}

func membershipKey(u notify.UserID, t notify.Topic) []byte {
	return append(namedPrefix(kindMembership, string(u)), t...)
}

func memberKey(t notify.Topic, u notify.UserID) []byte {
	return append(namedPrefix(kindMember, string(t)), u...)
}

// changeMembers adds and removes members of a topic. If an added user has too many topics,
// nothing changes.
func (tx *txn) changeMembers(seq notify.Sequence, e notify.Members, v *notify.Verdict) error {
	if len(e.Add) > 0 && sizeLimitOf(e.MaxBytes).refuses(&tx.state) {
		return errFull
	}
	for i, u := range e.Add {
		if full, err := tx.hasMostTopics(u, e.Topic); err != nil {
			return err
		} else if full {
			return notify.Invalid(notify.Fault{
				Pointer: fmt.Sprintf("/add/%d", i),
				Detail:  fmt.Sprintf("this user is a member of %d topics already, which is the maximum", notify.MaxMemberTopics),
			})
		}
	}
	c := notify.MemberChange{Sequence: seq}
	for _, u := range e.Remove {
		if err := tx.leave(seq, notify.Membership{User: u, Topic: e.Topic}, &c); err != nil {
			return err
		}
	}
	for _, u := range e.Add {
		if err := tx.enter(seq, notify.Membership{User: u, Topic: e.Topic}, &c); err != nil {
			return err
		}
	}
	tx.emitMembers(c, v)
	return tx.err
}

// hasMostTopics reports whether u cannot become a member of t because of the other topics.
func (tx *txn) hasMostTopics(u notify.UserID, t notify.Topic) (bool, error) {
	h, err := tx.history(ofUser(u))
	if err != nil || h.joined < notify.MaxMemberTopics {
		return false, err
	}
	m, err := loadIntervals(tx.batch, membershipKey(u, t))
	return !isCurrent(m), err
}

// setTopics makes a user a member of some topics, and of no others within the bound of e.
func (tx *txn) setTopics(seq notify.Sequence, e notify.UserTopics, v *notify.Verdict) error {
	if len(e.Topics) > 0 && sizeLimitOf(e.MaxBytes).refuses(&tx.state) {
		return errFull
	}
	wanted := make(map[notify.Topic]bool, len(e.Topics))
	for _, t := range e.Topics {
		wanted[t] = true
	}
	var left []notify.Topic
	total := len(e.Topics)
	err := eachMembership(tx.batch, e.User, func(t notify.Topic, m intervalSet) {
		switch {
		case !isCurrent(m) || wanted[t]:
		case e.Within.HasTopic(t):
			left = append(left, t)
		default:
			total++
		}
	})
	if err != nil {
		return err
	}
	if total > notify.MaxMemberTopics {
		return notify.Invalid(notify.Fault{Pointer: "/topics", Detail: fmt.Sprintf(
			"together with topics that this caller may not change, the user would be a member of %d topics; the maximum is %d", total, notify.MaxMemberTopics)})
	}
	c := notify.MemberChange{Sequence: seq}
	for _, t := range left {
		if err := tx.leave(seq, notify.Membership{User: e.User, Topic: t}, &c); err != nil {
			return err
		}
	}
	for _, t := range e.Topics {
		if err := tx.enter(seq, notify.Membership{User: e.User, Topic: t}, &c); err != nil {
			return err
		}
	}
	tx.emitMembers(c, v)
	return tx.err
}

func (tx *txn) emitMembers(c notify.MemberChange, v *notify.Verdict) {
	v.Added, v.Removed = len(c.Joined), len(c.Left)
	if len(c.Joined)+len(c.Left) > 0 {
		tx.changes = append(tx.changes, c)
	}
}

// enter makes a user a member of a topic from seq on, unless it is one.
func (tx *txn) enter(seq notify.Sequence, of notify.Membership, c *notify.MemberChange) error {
	key := membershipKey(of.User, of.Topic)
	was, err := loadIntervals(tx.batch, key)
	if err != nil || isCurrent(was) {
		return err
	}
	h, err := tx.history(ofUser(of.User))
	if err != nil {
		return err
	}
	tx.touch(h)
	h.joined++
	if len(was) == 0 {
		h.topics++
	}
	tx.setIntervals(key, was, slices.Clone(was).join(interval{from: seq, to: endless}))
	member := memberKey(of.Topic, of.User)
	tx.set(member, nil)
	tx.charge(member, 0)
	c.Joined = append(c.Joined, of)
	return nil
}

// leave ends a membership at seq, if there is one.
func (tx *txn) leave(seq notify.Sequence, of notify.Membership, c *notify.MemberChange) error {
	key := membershipKey(of.User, of.Topic)
	was, err := loadIntervals(tx.batch, key)
	if err != nil || !isCurrent(was) {
		return err
	}
	h, err := tx.history(ofUser(of.User))
	if err != nil {
		return err
	}
	tx.touch(h)
	h.joined--
	is := slices.Clone(was)
	is[len(is)-1].to = seq - 1
	if is, err = tx.settled(h, of.Topic, is); err != nil {
		return err
	}
	tx.setIntervals(key, was, is)
	if len(is) == 0 {
		h.topics--
	}
	member := memberKey(of.Topic, of.User)
	tx.remove(member)
	tx.refund(member, 0)
	c.Left = append(c.Left, of)
	return tx.pruneMemberships(h)
}

// settled returns the intervals of a membership in which the topic has notifications. The others
// will not be read any more: what retention has removed from them is noted in the history of the
// user, so that a reader with an earlier cursor still has a gap.
func (tx *txn) settled(user *cachedHistory, t notify.Topic, m intervalSet) (kept intervalSet, err error) {
	topic, err := tx.history(ofTopic(t))
	if err != nil {
		return nil, err
	}
	for _, i := range m {
		has, err := tx.hasItemIn(t, i)
		if err != nil {
			return nil, err
		}
		if has {
			kept = append(kept, i)
		} else {
			f := heardFeed{within: intervalSet{i}}
			user.left = max(user.left, f.lastUpTo(topic.truncated()))
		}
	}
	return kept, nil
}

// hasItemIn reports whether a topic has a notification in i.
func (tx *txn) hasItemIn(t notify.Topic, i interval) (bool, error) {
	for _, o := range []owner{ofTopic(t), ofTopic(t).multi()} {
		first, err := firstIn(tx.batch, o, i.from-1)
		if err != nil || first > 0 && first <= i.to {
			return err == nil, err
		}
	}
	return false, nil
}

// Of former memberships a user has about maxFormer at most. Beyond that, the formerDropped that ended
// first are deleted: so the next hundred leaves read none of them. An entry does so for
// maxFormerPruned users, since a whole team may leave at once; the next leave of the others does it.
const (
	maxFormer       = notify.MaxMemberTopics
	formerDropped   = 100
	maxFormerPruned = 10
)

// former is a membership that has ended.
type former struct {
	topic notify.Topic
	m     intervalSet
}

// end returns the last sequence that was heard.
func (f *former) end() notify.Sequence { return f.m[len(f.m)-1].to }

func (tx *txn) pruneMemberships(h *cachedHistory) error {
	if h.topics-h.joined <= maxFormer || tx.formerPruned >= maxFormerPruned {
		return nil
	}
	tx.formerPruned++
	u := notify.UserID(h.owner.name)
	var all []former
	err := eachMembership(tx.batch, u, func(t notify.Topic, m intervalSet) {
		if !isCurrent(m) {
			all = append(all, former{t, m})
		}
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(all, func(a, b former) int { return cmp.Compare(a.end(), b.end()) })
	dropped := false // notifications that may be unread
	for _, f := range all[:min(len(all), formerDropped)] {
		kept, err := tx.settled(h, f.topic, f.m)
		if err != nil {
			return err
		}
		if len(kept) > 0 { // readers with an earlier cursor have a gap
			h.left = max(h.left, f.end())
			dropped = true
		}
		tx.setIntervals(membershipKey(u, f.topic), f.m, nil)
		h.topics--
	}
	if dropped {
		tx.recounts = append(tx.recounts, h.owner)
	}
	return nil
}

// eachMembership calls f with the memberships of a user, in the order of their topics.
func eachMembership(r pebble.Reader, u notify.UserID, f func(t notify.Topic, m intervalSet)) error {
	prefix := namedPrefix(kindMembership, string(u))
	return each(r, prefix, endOfPrefix(prefix), func(k, v []byte) (bool, error) {
		m, err := readIntervals(v)
		f(notify.Topic(k[len(prefix):]), m)
		return true, err
	})
}

// Subscriber is what the connections of a user receive, apart from what their tokens name.
type Subscriber struct {
	// Topics says when the user hears topics as a member: those of which it is one, and those of
	// which it was one and that still have notifications from then; nil: none.
	Topics map[notify.Topic]notify.Hearing

	Muting *notify.Muting  // what the preferences hide; nil: nothing
	Since  notify.Sequence // since which they do; 0: they never hid anything
}

// Subscriber reads what the connections of a user receive. Users without memberships and
// preferences cost the read of one record.
func (s *Store) Subscriber(u notify.UserID) (is Subscriber, err error) {
	v := s.snapshots.acquire()
	defer v.release()
	h, err := readHistoryOf(v, ofUser(u))
	if err != nil {
		return is, err
	}
	is.Since = h.muted
	if is.Muting, err = mutingOf(v, u, &h); err != nil || h.topics == 0 {
		return is, err
	}
	is.Topics = make(map[notify.Topic]notify.Hearing, h.topics)
	err = eachMembership(v, u, func(t notify.Topic, m intervalSet) {
		hearing := make(notify.Hearing, 0, len(m))
		for _, i := range m {
			hearing = append(hearing, notify.Span{From: i.from, To: i.to})
		}
		is.Topics[t] = hearing
	})
	return is, err
}

// Members returns the members of a topic whose names begin with a prefix, in ascending order after a
// user: at most limit of them. more says whether others follow.
func (s *Store) Members(t notify.Topic, prefix string, after notify.UserID, limit int) (users []notify.UserID, more bool, err error) {
	v := s.snapshots.acquire()
	defer v.release()
	names := len(namedPrefix(kindMember, string(t)))
	first := memberKey(t, notify.UserID(prefix))
	lower := first
	if string(after) >= prefix && after != "" {
		lower = append(memberKey(t, after), 0)
	}
	err = each(v, lower, upperOf(first), func(k, _ []byte) (bool, error) {
		if more = len(users) == limit; more {
			return false, nil
		}
		users = append(users, notify.UserID(k[names:]))
		return true, nil
	})
	return users, more, err
}
