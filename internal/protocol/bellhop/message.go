package bellhop

import (
	"errors"
	"unicode/utf8"

	"github.com/bellhop/bellhop/internal/strict"
)

// MaxRef is the maximum number of characters in the ref of a command.
const MaxRef = 64

// ErrNoObject means that a message is not a JSON object, so its sender speaks another
// protocol. The connection ends with 1008.
var ErrNoObject = errors.New("not a JSON object")

// Command is a message from a client.
type Command struct {
	Event string
	Ref   string // to be repeated in the answer
	Key   string // idempotency key of a publish
	Data  []byte // JSON, or nil
}

// readCommand reads a message. Its error is ErrNoObject, or an error to be answered. The
// returned command then has the ref for the answer, if that could be read.
func readCommand(frame []byte) (Command, error) {
	v, err := strict.JSON(frame, strict.MaxDepth) // the depth that a setting allows is checked later
	if err != nil {
		v, invalid := strict.Duplicates(frame)
		if invalid != nil || v.Kind() != '{' {
			return Command{}, ErrNoObject
		}
		return Command{Ref: refOf(v)}, err
	}
	if v.Kind() != '{' {
		return Command{}, ErrNoObject
	}
	var c Command
	var r strict.Reader
	r.Members(v, "event, ref, key and data", func(name string, v strict.Value) bool {
		switch name {
		case "event":
			r.Text(&c.Event, v)
		case "ref":
			readRef(&r, &c.Ref, v)
		case "key":
			r.Text(&c.Key, v)
		case "data":
			r.Object(&c.Data, v)
		default:
			return false
		}
		return true
	})
	if c.Event == "" && !r.Failed() {
		r.FaultAt("event", "is required")
	}
	if c.Key != "" && c.Event != "publish" {
		r.FaultAt("key", "is allowed with publish only")
	}
	if err := r.Err(); err != nil {
		return c, err
	}
	return c, nil
}

// readToken reads the token in the data of a refresh command. No error quotes the token.
func readToken(data []byte) (token string, err error) {
	var r strict.Reader
	r.Members(data, "token", func(name string, v strict.Value) bool {
		if name == "token" {
			r.Text(&token, v)
		}
		return name == "token"
	})
	if token == "" && !r.Failed() {
		r.FaultAt("token", "is required")
	}
	if err := r.Err(); err != nil {
		return "", err
	}
	return token, nil
}

func readRef(r *strict.Reader, to *string, v strict.Value) {
	if r.Text(to, v); utf8.RuneCountInString(*to) > MaxRef {
		*to = ""
		r.Fault("must have at most %d characters", MaxRef)
	}
}

// refOf returns the ref of a command that is invalid otherwise, if it has one.
func refOf(v strict.Value) string {
	for name, member := range strict.Members(v) {
		if name == "ref" && member.Kind() == '"' {
			if ref := strict.Text(member); utf8.RuneCountInString(ref) <= MaxRef {
				return ref
			}
		}
	}
	return ""
}
