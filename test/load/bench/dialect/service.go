package dialect

import (
	"strconv"
	"time"

	"github.com/bellhop/bellhop/test/load/bench/mark"
)

// Type is the type of every notification.
const Type = "load.test"

// Service is the dialect of `bellhop serve`.
type Service struct {
	signer  signer
	tokens  []string // of the publishers
	users   []string // tokens of the users, if they were signed in advance
	expires time.Time
}

// lifetime is how long tokens are valid: longer than any run.
const lifetime = 6 * time.Hour

// NewService returns the dialect of a service with a shared secret, for a number of
// publishers. Each publisher is a separate principal.
func NewService(secret string, publishers int) *Service {
	s := &Service{signer: signer{[]byte(secret)}, expires: time.Now().Add(lifetime)}
	for i := range publishers {
		s.tokens = append(s.tokens,
			s.signer.sign("publisher-"+strconv.Itoa(i), "notify:publish notify:broadcast", s.expires))
	}
	return s
}

// NewServiceRS256 returns the dialect of a service that has only publicKey, in PEM, for a
// number of users who connect. Their tokens are signed in advance, because signing costs
// far more than verifying.
func NewServiceRS256(users int) (s *Service, publicKey []byte, err error) {
	s = &Service{expires: time.Now().Add(lifetime)}
	s.users, publicKey, err = signInAdvance(users, s.expires)
	return s, publicKey, err
}

// Upgrade implements Dialect.
func (s *Service) Upgrade(dst []byte, user uint32, cursor []byte) []byte {
	target := []byte("/ws")
	if len(cursor) > 0 {
		target = append(append(target, "?cursor="...), cursor...)
	}
	return appendUpgrade(dst, target, s.Token(user))
}

// Token returns a token of user.
func (s *Service) Token(user uint32) string {
	if s.users != nil {
		return s.users[user]
	}
	return s.signer.sign(UserName(user), "", s.expires)
}

// TokenForTopics returns a token of user that names topics.
func (s *Service) TokenForTopics(user uint32, topics ...string) string {
	return s.signer.signTopics(UserName(user), topics, s.expires)
}

// Operator returns a token that may publish to everyone, recall, and change the members of topics.
func (s *Service) Operator() string {
	return s.signer.sign("operator", "notify:publish notify:broadcast notify:topics notify:admin", s.expires)
}

// Draft returns the body of a publish of one notification.
func (s *Service) Draft(m mark.Mark) []byte { return appendDraft(nil, m, Stored) }

// DraftTo returns the body of a publish of one notification to a topic.
func (s *Service) DraftTo(topic string, m mark.Mark) []byte {
	return appendRest([]byte(`{"to":{"topics":["`+topic+`"]}`), m, Stored)
}

// Greets implements Dialect.
func (s *Service) Greets() bool { return true }

// Publish implements Dialect.
func (s *Service) Publish(dst []byte, publisher int, marks []mark.Mark, kind Kind) []byte {
	if len(marks) == 1 {
		return appendPost(dst, []byte("/notify"), s.tokens[publisher], appendDraft(nil, marks[0], kind))
	}
	body := make([]byte, 0, 256*len(marks))
	body = append(body, `{"notifications":[`...)
	for i, m := range marks {
		if i > 0 {
			body = append(body, ',')
		}
		body = appendDraft(body, m, kind)
	}
	body = append(body, "]}"...)
	return appendPost(dst, []byte("/notify/batch"), s.tokens[publisher], body)
}

func appendDraft(dst []byte, m mark.Mark, kind Kind) []byte {
	if m.User == mark.Everyone {
		dst = append(dst, `{"to":{"all":true}`...)
	} else {
		dst = append(dst, `{"to":{"users":["`...)
		dst = append(dst, UserName(m.User)...)
		dst = append(dst, `"]}`...)
	}
	return appendRest(dst, m, kind)
}

// appendRest appends what follows the recipients of a draft.
func appendRest(dst []byte, m mark.Mark, kind Kind) []byte {
	switch kind {
	case Ephemeral:
		dst = append(dst, `,"ephemeral":true`...)
	case Collapsing:
		dst = append(dst, `,"collapse_key":"load"`...)
	case Stored:
	}
	dst = append(dst, `,"type":"`+Type+`","data":`...)
	dst = appendData(dst, m)
	return append(dst, '}')
}
