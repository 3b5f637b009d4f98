package wire

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/bellhop/bellhop/internal/notify"
)

// MaxDepth is how deep JSON that strangers send may nest, unless a setting says
// otherwise; DepthMost is what it may say at most.
const (
	MaxDepth  = 32
	DepthMost = 256
)

// strict returns body as one JSON value, compact. Duplicate names, trailing
// data, a byte order mark and invalid UTF-8 are refused, as RFC 8259 allows and
// RFC 7493 asks; so is nesting deeper than DepthMost.
func strict(body []byte) (jsontext.Value, error) {
	if err := CheckDepth(body, DepthMost); err != nil { // first, since the parser has memory for each level
		return nil, err
	}
	v, err := jsontext.AppendFormat(make([]byte, 0, len(body)), body,
		jsontext.AllowDuplicateNames(false), jsontext.AllowInvalidUTF8(false), jsontext.PreserveRawStrings(true))
	if err != nil {
		return nil, syntax(err)
	}
	return v, nil
}

// CheckDepth returns an error of kind ErrMalformed if text nests more than most
// levels. It need not be valid JSON, or not be known to be.
func CheckDepth(text []byte, most int) error {
	if bytes.Count(text, []byte("{"))+bytes.Count(text, []byte("[")) <= most {
		return nil // as of nearly all
	}
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			i += stringEnd(text[i:]) - 1
		case '{', '[':
			if depth++; depth > most {
				return notify.Errorf(notify.ErrMalformed, "JSON may nest %d levels", most)
			}
		case '}', ']':
			depth--
		}
	}
	return nil
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

// reader reads values that strict has passed and gathers what is wrong with
// them as faults.
type reader struct {
	path   []string // to the value that is read: names and indexes
	faults []notify.Fault
}

// member reads one member of an object, and reports whether it knows the name. There
// is no value if that is null, which means absent.
type member func(name string, v jsontext.Value) (known bool)

// What a caller is told of at most: enough to learn from, and no echo chamber.
const (
	mostFaults  = 16
	mostPointer = 256 // bytes
)

// fault notes what is wrong with the value that is read.
func (r *reader) fault(format string, args ...any) {
	if len(r.faults) == mostFaults {
		return
	}
	var at jsontext.Pointer
	for _, name := range r.path {
		at = at.AppendToken(name)
	}
	if len(at) > mostPointer {
		at = at[:mostPointer]
	}
	r.faults = append(r.faults, notify.Fault{
		Pointer: strings.ToValidUTF8(string(at), ""), Detail: fmt.Sprintf(format, args...),
	})
}

// enter and leave are called around reading what is at name within the value that
// is read.
func (r *reader) enter(name string) {
	if r.path == nil {
		r.path = make([]string, 0, 4) // as deep as drafts go, once
	}
	r.path = append(r.path, name)
}

func (r *reader) leave() { r.path = r.path[:len(r.path)-1] }

// faultAt notes what is wrong with what is, or is not, at name.
func (r *reader) faultAt(name, format string, args ...any) {
	r.enter(name)
	r.fault(format, args...)
	r.leave()
}

// members reads each member of an object. There is a fault if v is no object, or
// has a member that has no meaning here.
func (r *reader) members(v jsontext.Value, read member) {
	if v.Kind() != '{' {
		r.fault("must be an object")
		return
	}
	for name, v := range membersOf(v) {
		if v.Kind() == 'n' {
			v = nil
		}
		r.enter(name)
		if !read(name, v) {
			r.fault("is not a known member")
		}
		r.leave()
	}
}

// items reads each item of an array.
func (r *reader) items(v jsontext.Value, read func(v jsontext.Value)) {
	if v.Kind() != '[' {
		r.fault("must be an array")
		return
	}
	for i, item := range itemsOf(v) {
		r.enter(strconv.Itoa(i))
		read(item)
		r.leave()
	}
}

// text, truth and object read a value of their type into to.
func (r *reader) text(to *string, v jsontext.Value) {
	switch {
	case v == nil:
	case v.Kind() != '"':
		r.fault("must be a string")
	default:
		*to = unquote(v)
	}
}

func (r *reader) truth(to *bool, v jsontext.Value) {
	switch {
	case v == nil:
	case v.Kind() != 't' && v.Kind() != 'f':
		r.fault("must be true or false")
	default:
		*to = v.Kind() == 't'
	}
}

func (r *reader) object(to *[]byte, v jsontext.Value) {
	switch {
	case v == nil:
	case v.Kind() != '{':
		r.fault("must be an object")
	default:
		*to = v
	}
}

// affirmed reads what says something only by being there.
func (r *reader) affirmed(to *bool, v jsontext.Value) {
	if *to = v.Kind() == 't'; v != nil && !*to {
		r.fault("must be true or absent")
	}
}
