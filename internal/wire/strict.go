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

// members hands each member of an object to f, but for nulls, which mean
// absent. It reports a fault at pointer if v is no object.
func (r *reader) members(pointer string, v jsontext.Value, f func(name string, v jsontext.Value)) {
	if v.Kind() != '{' {
		r.fault(pointer, "must be an object")
		return
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(v), jsontext.AllowDuplicateNames(true))
	d.ReadToken()
	for d.PeekKind() == '"' {
		name, _ := d.ReadToken()
		key := name.String()
		if member, _ := d.ReadValue(); member.Kind() != 'n' {
			f(key, member)
		}
	}
}

// unknown reports a member that has no meaning here.
func (r *reader) unknown(parent, name string) {
	r.fault(string(jsontext.Pointer(parent).AppendToken(name)), "is not a known member")
}

// items hands each item of an array to f.
func (r *reader) items(pointer string, v jsontext.Value, f func(i int, v jsontext.Value)) {
	if v.Kind() != '[' {
		r.fault(pointer, "must be an array")
		return
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(v), jsontext.AllowDuplicateNames(true))
	d.ReadToken()
	for i := 0; d.PeekKind() != ']'; i++ {
		item, _ := d.ReadValue()
		f(i, item)
	}
}

func (r *reader) text(pointer string, v jsontext.Value) string {
	if v.Kind() != '"' {
		r.fault(pointer, "must be a string")
		return ""
	}
	s, _ := jsontext.AppendUnquote(nil, v)
	return string(s)
}

func (r *reader) truth(pointer string, v jsontext.Value) bool {
	if k := v.Kind(); k != 't' && k != 'f' {
		r.fault(pointer, "must be true or false")
	}
	return v.Kind() == 't'
}

func (r *reader) integer(pointer string, v jsontext.Value) int64 {
	n, err := strconv.ParseInt(string(v), 10, 64)
	if v.Kind() != '0' || err != nil {
		r.fault(pointer, "must be a whole number")
	}
	return n
}

// object returns v if it is an object.
func (r *reader) object(pointer string, v jsontext.Value) []byte {
	if v.Kind() != '{' {
		r.fault(pointer, "must be an object")
		return nil
	}
	return bytes.Clone(v)
}
