package wire

import (
	"errors"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/bellhop/bellhop/internal/notify"
)

// MaxRef is how many characters the ref of a command may have.
const MaxRef = 64

// ErrNoObject says that a frame is no JSON object: its sender speaks another
// language, and the connection ends with 1008.
var ErrNoObject = errors.New("not a JSON object")

// Command is a frame from a client.
type Command struct {
	Event string
	Ref   string // to be repeated in the answer
	Key   string // idempotency key of a publish
	Data  []byte // JSON, or nil
}

// ReadCommand reads a frame. Its error is ErrNoObject, or one to answer with an
// error frame, whose ref is that of the command, if it could be read.
func ReadCommand(frame []byte) (Command, error) {
	v, err := strict(frame)
	if err != nil {
		lenient, invalid := jsontext.AppendFormat(nil, frame, jsontext.AllowDuplicateNames(true))
		if invalid != nil || jsontext.Value(lenient).Kind() != '{' {
			return Command{}, ErrNoObject
		}
		return Command{Ref: refOf(lenient)}, err
	}
	if v.Kind() != '{' {
		return Command{}, ErrNoObject
	}
	var c Command
	var r reader
	r.members(v, func(name string, v jsontext.Value) bool {
		switch name {
		case "event":
			r.text(&c.Event, v)
		case "ref":
			r.ref(&c.Ref, v)
		case "key":
			r.text(&c.Key, v)
		case "data":
			r.object(&c.Data, v)
		default:
			return false
		}
		return true
	})
	if c.Event == "" && len(r.faults) == 0 {
		r.faultAt("event", "is required")
	}
	if len(r.faults) > 0 {
		return c, notify.Invalid(r.faults...)
	}
	return c, nil
}

// Refresh reads the data of a refresh command, which has passed ReadCommand: a
// token. No error quotes it.
func Refresh(data []byte) (token string, err error) {
	var r reader
	r.members(data, func(name string, v jsontext.Value) bool {
		if name == "token" {
			r.text(&token, v)
		}
		return name == "token"
	})
	if token == "" && len(r.faults) == 0 {
		r.faultAt("token", "is required")
	}
	if len(r.faults) > 0 {
		return "", notify.Invalid(r.faults...)
	}
	return token, nil
}

func (r *reader) ref(to *string, v jsontext.Value) {
	if r.text(to, v); utf8.RuneCountInString(*to) > MaxRef {
		*to = ""
		r.fault("must have at most %d characters", MaxRef)
	}
}

// refOf returns the ref of a command that is otherwise unreadable, if it has one.
func refOf(v jsontext.Value) string {
	for name, member := range membersOf(v) {
		if name == "ref" && member.Kind() == '"' {
			if ref := unquote(member); utf8.RuneCountInString(ref) <= MaxRef {
				return ref
			}
		}
	}
	return ""
}
