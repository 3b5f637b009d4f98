package strict

import (
	"bytes"
	"errors"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/bellhop/bellhop/internal/notify"
)

// Bounds on the nesting of JSON that strangers send.
const (
	DefaultDepth = 32
	MaxDepth     = 256 // the highest that a setting may allow
)

// Value is a JSON value. A value that JSON or Lenient returned is valid and compact, and so
// are all values inside it.
type Value = jsontext.Value

// JSON returns data as one compact value of at most so many levels. It refuses duplicate
// members at every level, data after the value, a byte order mark and invalid UTF-8, as
// RFC 8259 allows and RFC 7493 demands. The error is of kind ErrMalformed.
func JSON(data []byte, levels int) (Value, error) {
	if err := Depth(data, levels); err != nil { // first, since the parser has memory for each level
		return nil, err
	}
	return compact(data, false, false)
}

// Duplicates is JSON for a text that JSON has refused, to find out what it is about: duplicate
// members are accepted, and so is any depth.
func Duplicates(data []byte) (Value, error) { return compact(data, true, false) }

// Lenient is JSON for a text in which some parts decide nothing: duplicate members and any depth
// are accepted, and invalid UTF-8 becomes U+FFFD. Callers must refuse duplicates of the members that
// they use.
func Lenient(data []byte) (Value, error) { return compact(data, true, true) }

func compact(data []byte, duplicates, invalidUTF8 bool) (Value, error) {
	v, err := jsontext.AppendFormat(make([]byte, 0, len(data)), data, jsontext.AllowDuplicateNames(duplicates),
		jsontext.AllowInvalidUTF8(invalidUTF8), jsontext.PreserveRawStrings(!invalidUTF8))
	if err != nil {
		return nil, malformed(err)
	}
	return v, nil
}

// malformed says what is wrong without repeating what was sent.
func malformed(err error) error {
	var at *jsontext.SyntacticError
	switch {
	case !errors.As(err, &at):
		return notify.Errorf(notify.ErrMalformed, "the body is not valid JSON")
	case errors.Is(err, jsontext.ErrDuplicateName):
		return notify.Errorf(notify.ErrMalformed, "the JSON has a member twice, at byte %d", at.ByteOffset)
	default:
		return notify.Errorf(notify.ErrMalformed, "the JSON ends too early or is not valid at byte %d", at.ByteOffset)
	}
}

// Depth returns an error of kind ErrMalformed if data nests more than so many levels. The data
// may be anything; only valid JSON has an exact number of levels.
func Depth(data []byte, levels int) error {
	if bytes.Count(data, []byte("{"))+bytes.Count(data, []byte("[")) <= levels {
		return nil // as nearly all have few brackets
	}
	depth := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			i += StringEnd(data[i:]) - 1
		case '{', '[':
			if depth++; depth > levels {
				return notify.Errorf(notify.ErrMalformed, "the JSON nests too deep; at most %d levels are allowed", levels)
			}
		case '}', ']':
			depth--
		}
	}
	return nil
}
