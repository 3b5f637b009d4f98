package wire

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/bellhop/bellhop/internal/notify"
)

// MaxDepth is how deep JSON that strangers send may nest.
const MaxDepth = 32

// strict returns body as one JSON value, compact. Duplicate names, trailing
// data, a byte order mark and invalid UTF-8 are refused, as RFC 8259 allows and
// RFC 7493 asks; so is nesting deeper than MaxDepth.
func strict(body []byte) (jsontext.Value, error) {
	v := jsontext.Value(bytes.Clone(body))
	if err := v.Compact(jsontext.AllowDuplicateNames(false), jsontext.AllowInvalidUTF8(false)); err != nil {
		return nil, syntax(err)
	}
	if deeperThan(v, MaxDepth) {
		return nil, notify.Errorf(notify.ErrMalformed, "JSON may nest %d levels", MaxDepth)
	}
	return v, nil
}

// syntax tells what is wrong without quoting what was sent.
func syntax(err error) error {
	var s *jsontext.SyntacticError
	if !errors.As(err, &s) {
		return notify.Errorf(notify.ErrMalformed, "the body is not valid JSON")
	}
	what := "the JSON breaks off or is wrong"
	if errors.Is(err, jsontext.ErrDuplicateName) {
		what = "the JSON names a member twice"
	}
	return notify.Errorf(notify.ErrMalformed, "%s at byte %d", what, s.ByteOffset)
}

// deeperThan reports whether the valid JSON v nests more than most levels.
func deeperThan(v []byte, most int) bool {
	depth, inString := 0, false
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > most {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// reader reads values that strict has passed and gathers what is wrong with
// them as faults.
type reader struct {
	faults []notify.Fault
}

func (r *reader) fault(pointer, format string, args ...any) {
	r.faults = append(r.faults, notify.Fault{Pointer: pointer, Detail: fmt.Sprintf(format, args...)})
}

// members reads each member of an object with what of returns for its name. A
// name that it returns nil for is unknown, and null means absent. There is a
// fault at pointer if v is no object.
func (r *reader) members(pointer string, v jsontext.Value, of func(name string) func(pointer string, v jsontext.Value)) {
	if v.Kind() != '{' {
		r.fault(pointer, "must be an object")
		return
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(v), jsontext.AllowDuplicateNames(true))
	d.ReadToken() // no error is possible: strict has read all of it
	for d.PeekKind() == '"' {
		token, _ := d.ReadToken()
		name := token.String()
		member, _ := d.ReadValue()
		at := string(jsontext.Pointer(pointer).AppendToken(name))
		switch read := of(name); {
		case read == nil:
			r.fault(at, "is not a known member")
		case member.Kind() != 'n':
			read(at, member)
		}
	}
}

// items reads each item of an array with read.
func (r *reader) items(pointer string, v jsontext.Value, read func(pointer string, v jsontext.Value)) {
	if v.Kind() != '[' {
		r.fault(pointer, "must be an array")
		return
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(v), jsontext.AllowDuplicateNames(true))
	d.ReadToken()
	for i := 0; d.PeekKind() != ']'; i++ {
		item, _ := d.ReadValue()
		read(pointer+"/"+strconv.Itoa(i), item)
	}
}

// later refuses a member that the contract has and this service does not do
// yet, by name rather than ignoring it.
func (r *reader) later(pointer string, _ jsontext.Value) { r.fault(pointer, "is not supported yet") }

// text, truth and object return what reads a value of their type into to.
func (r *reader) text(to *string) func(string, jsontext.Value) {
	return func(pointer string, v jsontext.Value) {
		if v.Kind() != '"' {
			r.fault(pointer, "must be a string")
			return
		}
		s, _ := jsontext.AppendUnquote(nil, v)
		*to = string(s)
	}
}

func (r *reader) truth(to *bool) func(string, jsontext.Value) {
	return func(pointer string, v jsontext.Value) {
		if k := v.Kind(); k != 't' && k != 'f' {
			r.fault(pointer, "must be true or false")
		}
		*to = v.Kind() == 't'
	}
}

func (r *reader) object(to *[]byte) func(string, jsontext.Value) {
	return func(pointer string, v jsontext.Value) {
		if v.Kind() != '{' {
			r.fault(pointer, "must be an object")
			return
		}
		*to = bytes.Clone(v)
	}
}
