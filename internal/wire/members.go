package wire

import (
	"strconv"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/strict"
)

// Members reads the body of POST /topics/{topic}/members. Its error is of kind ErrMalformed or
// ErrInvalid, as that of Draft. A user who is named twice in one list counts once.
func Members(body []byte, topic notify.Topic) (notify.Members, error) {
	e := notify.Members{Topic: topic}
	v, err := parse(body)
	if err != nil {
		return e, err
	}
	var r reader
	r.Members(v, "add and remove", func(name string, v strict.Value) bool {
		switch name {
		case "add":
			names(&r, &e.Add, notify.MaxMemberChanges, v)
		case "remove":
			names(&r, &e.Remove, notify.MaxMemberChanges, v)
		default:
			return false
		}
		return true
	})
	if err := r.Err(); err != nil {
		return e, err
	}
	if faults := e.Check(); len(faults) > 0 {
		return e, notify.Invalid(faults...)
	}
	return e, nil
}

// MemberTopics reads the body of PUT /users/{user}/topics. Its error is of kind ErrMalformed or
// ErrInvalid, as that of Draft. A topic that is named twice counts once.
func MemberTopics(body []byte, user notify.UserID) (notify.UserTopics, error) {
	e := notify.UserTopics{User: user}
	v, err := parse(body)
	if err != nil {
		return e, err
	}
	var r reader
	given := false
	r.Members(v, "topics", func(name string, v strict.Value) bool {
		if name != "topics" {
			return false
		}
		given = v != nil
		names(&r, &e.Topics, notify.MaxMemberTopics, v)
		return true
	})
	if !given && !r.Failed() {
		r.FaultAt("topics", "is required; an empty list ends all memberships")
	}
	if err := r.Err(); err != nil {
		return e, err
	}
	if faults := e.Check(); len(faults) > 0 {
		return e, notify.Invalid(faults...)
	}
	return e, nil
}

// AppendMembers appends the answer to GET /topics/{topic}/members. next is the after of the next
// page; empty: this is the last one.
func AppendMembers(dst []byte, users []notify.UserID, next notify.UserID) []byte {
	dst = appendStrings(append(dst, `{"members":`...), users)
	if next != "" {
		dst = AppendString(append(dst, `,"next":`...), string(next))
	}
	return append(dst, '}')
}

// AppendTopics appends the answer to GET /users/{user}/topics.
func AppendTopics(dst []byte, topics []notify.Topic) []byte {
	return append(appendStrings(append(dst, `{"topics":`...), topics), '}')
}

// AppendMembersChanged appends the answer to a change of members.
func AppendMembersChanged(dst []byte, added, removed int) []byte {
	dst = strconv.AppendInt(append(dst, `{"added":`...), int64(added), 10)
	dst = strconv.AppendInt(append(dst, `,"removed":`...), int64(removed), 10)
	return append(dst, '}')
}

func appendStrings[T ~string](dst []byte, all []T) []byte {
	dst = append(dst, '[')
	for i, s := range all {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, string(s))
	}
	return append(dst, ']')
}
