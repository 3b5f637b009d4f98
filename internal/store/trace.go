package store

import (
	"fmt"
	"slices"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// Trace is what the store knows of one notification.
type Trace struct {
	// Notification is as it was published. After it was removed, it has no Content, but only a Type.
	notify.Notification
	RemovedType string // the type of a notification that was removed

	// DeliverAt is the time of delivery of a deferred notification; otherwise zero.
	DeliverAt time.Time

	Fate  // for all users together
	Users []UserTrace
}

// Fate is what became of a notification.
type Fate struct {
	Status     notify.Status
	Reason     notify.Reason
	At         time.Time // when it was removed; zero: it was not, or that is unknown
	ReplacedBy string    // ID
}

// UserTrace is what became of a notification for one user.
type UserTrace struct {
	User notify.UserID
	Fate
	notify.View
	Rule TracedRule

	// MemberOf are the topics by which the user has a notification as a member: those of which it
	// was one when the notification was published, or is one while that is deferred. nil: that is not
	// known of a removed notification, or it was not published to topics.
	MemberOf []notify.Topic

	Delivered time.Time // when it was first written to a device; zero: that is not known, or no receipt was wanted
}

// TracedRule is the rule of a user's preferences that applies to a notification now.
type TracedRule struct {
	notify.PreferenceRule     // without a Level: none applies, or that is not known any more
	Index                 int // among the rules of the user
}

// Trace returns what is known of the notification with an ID, for each of its users, or for one
// user if user is not empty: then also if the notification was published to topics or to everyone,
// whose readers are not known. ok is false if nothing is known of the notification.
func (s *Store) Trace(id string, user notify.UserID, upTo notify.Sequence, now time.Time) (t Trace, ok bool, err error) {
	v := s.snapshots.acquire()
	defer v.release()
	p, ok, err := locate(v, id)
	if err != nil || !ok {
		return t, false, err
	}
	f := tracer{from: v, id: id, only: user, now: now}
	switch {
	case p.deferred != nil:
		if p.deferred.Sequence > upTo {
			return t, false, nil
		}
		t, ok, err = f.deferred(*p.deferred)
	case p.sequence <= upTo:
		t, ok, err = f.at(p.sequence)
	default:
		return t, false, nil
	}
	if err == nil && len(t.Content) > 0 {
		err = f.applyRules(&t)
	}
	if err != nil {
		return t, false, fmt.Errorf("trace the notification %s: %w", id, err)
	}
	return t, ok, nil
}

// applyRules finds the rules that apply to a notification, for each of its users.
func (f *tracer) applyRules(t *Trace) error {
	for i := range t.Users {
		u := &t.Users[i]
		p, err := preferencesOf(f.from, u.User)
		if err != nil {
			return err
		}
		if len(p.Rules) == 0 {
			continue
		}
		topics, err := f.topicsOf(u.User, &t.Notification)
		if err != nil {
			return err
		}
		rule := p.RuleFor(&t.Notification, func(t notify.Topic) bool { return slices.Contains(topics, t) })
		if rule < 0 {
			continue
		}
		u.Rule = TracedRule{p.Rules[rule], rule}
		if u.Status == notify.StatusKept && u.Rule.Level == notify.LevelOff {
			u.Fate = Fate{Status: notify.StatusMuted, Reason: notify.ReasonPreferences}
		}
	}
	return nil
}

// topicsOf returns the topics of n by which a user receives it: those of which it is a member, as in
// its inbox. Which topics its tokens name is not known. A user who is a member of none may receive
// n by any of them.
func (f *tracer) topicsOf(u notify.UserID, n *notify.Notification) ([]notify.Topic, error) {
	joined, err := f.joined(u, n)
	if err != nil || joined != nil {
		return joined, err
	}
	return n.Topics, nil
}

// joined returns the topics of n of which a user was a member when n was published, or is one if n is
// not delivered yet; nil: none. A membership that has ended is known while its topic has
// notifications from then.
func (f *tracer) joined(u notify.UserID, n *notify.Notification) (joined []notify.Topic, err error) {
	for _, t := range n.Topics {
		m, err := loadIntervals(f.from, membershipKey(u, t))
		if err != nil {
			return nil, err
		}
		_, heard := m.find(n.Sequence)
		if n.Sequence == 0 { // it is not delivered yet
			heard = isCurrent(m)
		}
		if heard {
			joined = append(joined, t)
		}
	}
	return joined, nil
}

// memberOf returns the topics by which a user has n as a member; nil: that is not known. kept is whether
// n was not removed.
func (f *tracer) memberOf(u notify.UserID, n *notify.Notification, kept bool) ([]notify.Topic, error) {
	joined, err := f.joined(u, n)
	if err != nil || len(n.Topics) == 0 || !kept {
		return joined, err
	}
	has := []notify.Topic{}
	for _, t := range joined {
		if n.Sequence > 0 { // a topic that was full may have evicted it
			b, err := get(f.from, ofTopic(t).keyOf(n))
			if err != nil {
				return nil, err
			}
			if b == nil {
				continue
			}
		}
		has = append(has, t)
	}
	return has, nil
}

// tracer reads what is known of a notification, in one snapshot.
type tracer struct {
	from *snapshot
	id   string
	only notify.UserID
	now  time.Time
}

// deferred traces a notification whose time of delivery has not come.
func (f *tracer) deferred(d notify.Deferred) (t Trace, ok bool, err error) {
	b, err := get(f.from, deferredKey(d))
	if err != nil || b == nil {
		return t, false, err
	}
	e, err := readDeferred(b)
	if err != nil {
		return t, false, err
	}
	t = Trace{Notification: e.Notification(0, time.Time{}), DeliverAt: e.DeliverAt, Fate: Fate{Status: notify.StatusDeferred}}
	t.Expires = time.Time{} // counted from the delivery
	for _, u := range e.Users {
		if f.wants(u) {
			t.Users = append(t.Users, UserTrace{User: u, Fate: t.Fate})
		}
	}
	if f.only != "" && e.Audience != notify.AudienceUser {
		t.Users = []UserTrace{{User: f.only, Fate: t.Fate}}
		if t.Users[0].MemberOf, err = f.memberOf(f.only, &t.Notification, true); err != nil {
			return t, false, err
		}
		for _, u := range e.Except {
			if u == f.only {
				t.Users[0].Fate = Fate{Status: notify.StatusMuted, Reason: notify.ReasonExcept}
			}
		}
	}
	return t, true, nil
}

func (f *tracer) wants(u notify.UserID) bool { return f.only == "" || f.only == u }

// at traces the notification at seq, which may have been removed.
func (f *tracer) at(seq notify.Sequence) (t Trace, ok bool, err error) {
	record, err := readRecordOf(f.from, seq)
	if err != nil {
		return t, false, err
	}
	if record == nil {
		return f.removed(seq)
	}
	if t.Notification, err = readNotification(seq, record); err != nil {
		return t, false, err
	}
	if t.Status = notify.StatusKept; t.Expired(f.now) {
		t.Fate = Fate{Status: notify.StatusExpired, At: t.Expires}
	}
	if t.Audience != notify.AudienceUser {
		return t, true, f.sharedBy(&t, true)
	}
	for _, u := range t.Notification.Users {
		if !f.wants(u) {
			continue
		}
		traced, err := f.kept(seq, u, t.Fate)
		if err != nil {
			return t, false, err
		}
		if traced.Delivered.IsZero() { // the removal from the history of the user may know it
			if traced.Delivered, err = deliveredAt(f.from, &t.Notification, u, &traced.View); err != nil {
				return t, false, err
			}
		}
		t.Users = append(t.Users, traced)
	}
	return t, true, nil
}

// kept traces the item of a user; fate is that of the notification, which exists.
func (f *tracer) kept(seq notify.Sequence, u notify.UserID, fate Fate) (UserTrace, error) {
	t := UserTrace{User: u, Fate: fate}
	b, err := get(f.from, ofUser(u).itemKey(seq))
	if err != nil {
		return t, err
	}
	if b == nil {
		return f.removedFrom(seq, removedUser{user: u, itemState: itemState{hidden: true}}, fate)
	}
	item, _, err := readUserItem(b)
	t.View = item.view()
	return t, err
}

// removed traces a notification of which only the removal is left.
func (f *tracer) removed(seq notify.Sequence) (t Trace, ok bool, err error) {
	b, err := get(f.from, removalKey(seq))
	if err != nil || b == nil {
		return t, false, err
	}
	r, err := readRemoval(b)
	if err != nil {
		return t, false, err
	}
	t.Notification = notify.Notification{Sequence: seq, By: r.by, Time: r.time, Audience: r.audience(), Topics: r.topics}
	t.RemovedType, t.Fate = r.typ, r.fate()
	for _, u := range r.users {
		t.Notification.Users = append(t.Notification.Users, u.user)
		if !f.wants(u.user) {
			continue
		}
		traced, err := f.removedFrom(seq, u, t.Fate)
		if err != nil {
			return t, false, err
		}
		t.Users = append(t.Users, traced)
	}
	if t.Audience != notify.AudienceUser {
		err = f.sharedBy(&t, false)
	}
	return t, true, err
}

func (r *removal) fate() Fate {
	return Fate{Status: r.status, Reason: r.reason, At: r.at, ReplacedBy: r.replaced}
}

// removedFrom traces a notification that was removed from the history of u; fate is that of the
// notification. Why it was removed from a user whose own
// removal is forgotten is not known any more.
func (f *tracer) removedFrom(seq notify.Sequence, u removedUser, fate Fate) (UserTrace, error) {
	if !u.hidden {
		return UserTrace{User: u.user, Fate: fate, View: u.view(), Delivered: fromMillis(u.delivered)}, nil
	}
	b, err := get(f.from, userRemovalKey(seq, u.user))
	if err != nil || b == nil {
		return UserTrace{User: u.user, Fate: Fate{Status: notify.StatusEvicted}}, err
	}
	own, err := readRemoval(b)
	if err != nil || len(own.users) != 1 {
		return UserTrace{}, errCorrupt
	}
	was := &own.users[0]
	return UserTrace{User: u.user, Fate: own.fate(), View: was.view(), Delivered: fromMillis(was.delivered)}, nil
}

// sharedBy traces a notification to topics or everyone for the user in question, if there is one.
// Of a removed notification the read state may be gone.
func (f *tracer) sharedBy(t *Trace, kept bool) error {
	if f.only == "" {
		return nil
	}
	m := &markOp{state: newUserState(f.from, f.only)}
	state, err := m.sharedState(&t.Notification)
	traced := UserTrace{User: f.only, Fate: t.Fate, View: state.view()}
	if state.hidden {
		traced.Fate = Fate{Status: notify.StatusMuted, Reason: notify.ReasonExcept}
	}
	if err == nil {
		traced.Delivered, err = deliveredAt(f.from, &t.Notification, f.only, &traced.View)
	}
	if err == nil {
		traced.MemberOf, err = f.memberOf(f.only, &t.Notification, kept)
	}
	t.Users = []UserTrace{traced}
	return err
}
