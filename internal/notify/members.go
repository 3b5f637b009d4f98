package notify

// MaxMemberTopics is the maximum number of topics of which a user is a member.
const MaxMemberTopics = 1_000

// MaxMemberChanges is the maximum number of users that one Members entry names.
const MaxMemberChanges = 1_000

// Membership says that a user hears a topic as if its tokens named it.
type Membership struct {
	User  UserID
	Topic Topic
}

// Members adds and removes members of a topic. They hear what is published after this entry,
// and keep what they have heard when they leave. The Verdict has the numbers of users who have
// joined and left; its error is of kind ErrInvalid if a user who is added has too many topics.
type Members struct {
	Topic       Topic
	Add, Remove []UserID // distinct, together at least one
	MaxBytes    int64    // as in Publish; used if Add is not empty
}

// UserTopics makes a user a member of some topics, and of no others. See Members.
type UserTopics struct {
	User     UserID
	Topics   []Topic // distinct
	MaxBytes int64   // as in Publish; used if Topics is not empty
}

// MemberChange says who has joined and left a topic at a sequence. It has effect on open
// connections at once.
type MemberChange struct {
	Sequence     Sequence
	Joined, Left []Membership
}

func (Members) entry()    {}
func (UserTopics) entry() {}

func (MemberChange) change() {}

func (e *Members) fault() string {
	switch {
	case len(e.Add)+len(e.Remove) == 0:
		return "a change of no members"
	case len(e.Add)+len(e.Remove) > MaxMemberChanges:
		return "a change of too many members"
	case topicFault(string(e.Topic)) != "":
		return "a change of the members of an invalid topic"
	}
	return namesFault("a member", append(append([]UserID{}, e.Add...), e.Remove...), MaxMemberChanges)
}

func (e *UserTopics) fault() string {
	if fault := nameLength("the user of topics", e.User); fault != "" {
		return fault
	}
	for _, t := range e.Topics {
		if topicFault(string(t)) != "" {
			return "a member of an invalid topic"
		}
	}
	return namesFault("a topic", e.Topics, MaxMemberTopics)
}
