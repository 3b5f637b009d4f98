package dialect

import (
	"strconv"
	"time"

	"github.com/bellhop/bellhop/test/load/mark"
)

// Service speaks to `bellhop serve`, by the contract.
type Service struct {
	signer  signer
	tokens  []string // of the publishers
	expires time.Time
}

// NewService returns the dialect of a service that knows secret, for so many
// publishers. Each publisher is a principal of its own.
func NewService(secret string, publishers int) *Service {
	s := &Service{signer: signer{[]byte(secret)}, expires: time.Now().Add(6 * time.Hour)}
	for i := range publishers {
		s.tokens = append(s.tokens,
			s.signer.sign("publisher-"+strconv.Itoa(i), "notify:publish notify:broadcast", s.expires))
	}
	return s
}

// Upgrade implements Dialect.
func (s *Service) Upgrade(dst []byte, user uint32, cursor []byte) []byte {
	target := []byte("/ws")
	if len(cursor) > 0 {
		target = append(append(target, "?cursor="...), cursor...)
	}
	return appendUpgrade(dst, target, s.signer.sign(userName(user), "", s.expires))
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
		dst = append(dst, userName(m.User)...)
		dst = append(dst, `"]}`...)
	}
	if kind == Ephemeral {
		dst = append(dst, `,"ephemeral":true`...)
	}
	dst = append(dst, `,"type":"load.test","data":`...)
	dst = appendData(dst, m)
	return append(dst, '}')
}
