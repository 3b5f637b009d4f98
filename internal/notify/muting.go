package notify

import "slices"

// Muting is the part of a user's preferences that decides which notifications are hidden from the
// user. A nil Muting hides none.
type Muting struct {
	rules []PreferenceRule // up to the last one with LevelOff
}

// MutingChange means that other notifications are hidden from a user from a sequence on: older ones
// may disappear, and others return. Connections that have received the inbox as it was before end.
type MutingChange struct {
	Sequence Sequence
	User     UserID
	Muting   *Muting
}

func (MutingChange) change() {}

// Muting returns what p hides; nil: nothing.
func (p *Preferences) Muting() *Muting {
	for i := range slices.Backward(p.Rules) {
		if p.Rules[i].Level == LevelOff {
			return &Muting{slices.Clone(p.Rules[:i+1])}
		}
	}
	return nil
}

// Equal reports whether m and o hide the same notifications by the same rules.
func (m *Muting) Equal(o *Muting) bool {
	return (m == nil) == (o == nil) && (m == nil || slices.Equal(m.rules, o.rules))
}

// Hides reports whether n is hidden from a user. hears reports whether the user receives what is
// published to a topic of n: a rule for another one must not reveal that n has it.
func (m *Muting) Hides(n *Notification, hears func(Topic) bool) bool {
	if m == nil {
		return false
	}
	i := firstRule(m.rules, n, hears)
	return i >= 0 && m.rules[i].Level == LevelOff
}

// RuleFor returns the index of the rule of p that applies to n, -1 if none does. hears is that of
// Hides.
func (p *Preferences) RuleFor(n *Notification, hears func(Topic) bool) int {
	return firstRule(p.Rules, n, hears)
}

func firstRule(rules []PreferenceRule, n *Notification, hears func(Topic) bool) int {
	read, _ := n.typeAndPriority()
	name := string(read)
	for i := range rules { // a loop, since the hub does this for each connection
		r := &rules[i]
		if (r.Type == "" || r.Type.Matches(name)) && (r.Topic == "" || n.hasTopic(r.Topic, hears)) {
			return i
		}
	}
	return -1
}

// hasTopic reports whether a user receives n by a topic that p matches.
func (n *Notification) hasTopic(p TopicPattern, hears func(Topic) bool) bool {
	has := func(t Topic) bool { return p.Matches(t) && hears(t) }
	return slices.ContainsFunc(n.Topics, has) || slices.ContainsFunc(n.OtherTopics, has)
}
