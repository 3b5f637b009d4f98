package strict

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/bellhop/bellhop/internal/notify"
)

// Reader reads compact values into Go values and gathers what is wrong with them as
// faults. The zero Reader is ready to use.
type Reader struct {
	path   []string // names and indexes that lead to the value that is read
	faults []notify.Fault
	found  int // faults, those that are not kept included
}

// Bounds on what is reported of a body: enough to correct it, and less than was sent.
const (
	maxFaults  = 16
	maxPointer = 256 // bytes
)

// Fault adds a fault of the value that is read.
func (r *Reader) Fault(format string, args ...any) {
	r.found++
	if len(r.faults) == maxFaults {
		return
	}
	var at jsontext.Pointer
	for _, name := range r.path {
		at = at.AppendToken(name)
	}
	if len(at) > maxPointer {
		at = at[:maxPointer]
	}
	r.faults = append(r.faults, notify.Fault{
		Pointer: strings.ToValidUTF8(string(at), ""), Detail: fmt.Sprintf(format, args...),
	})
}

// FaultAt adds a fault of a member, be it there or not, of the value that is read.
func (r *Reader) FaultAt(name, format string, args ...any) {
	r.enter(name)
	r.Fault(format, args...)
	r.leave()
}

// Faults returns the number of faults so far, of which only the first ones are kept.
func (r *Reader) Faults() int { return r.found }

// Failed reports whether there is a fault.
func (r *Reader) Failed() bool { return len(r.faults) > 0 }

// Err returns an error of kind ErrInvalid with all faults, or nil.
func (r *Reader) Err() error {
	if len(r.faults) == 0 {
		return nil
	}
	return notify.Invalid(r.faults...)
}

func (r *Reader) enter(name string) {
	if r.path == nil {
		r.path = make([]string, 0, 4) // as deep as drafts go, once
	}
	r.path = append(r.path, name)
}

func (r *Reader) leave() { r.path = r.path[:len(r.path)-1] }

// Members calls read for each member of an object. A value that is null counts as absent:
// read gets nil. If read returns false, the member is unknown, and the fault says which are
// allowed: a list of names for people, empty for none. A value that is not an object is a fault too.
func (r *Reader) Members(v Value, allowed string, read func(name string, v Value) (known bool)) {
	if v.Kind() != '{' {
		r.Fault("must be an object")
		return
	}
	for name, v := range Members(v) {
		if v.Kind() == 'n' {
			v = nil
		}
		r.enter(name)
		switch {
		case read(name, v):
		case allowed == "":
			r.Fault("unknown member; none is allowed here")
		default:
			r.Fault("unknown member; allowed: %s", allowed)
		}
		r.leave()
	}
}

// Items calls read for each item of an array. A value that is not an array is a fault.
func (r *Reader) Items(v Value, read func(v Value)) {
	if v.Kind() != '[' {
		r.Fault("must be an array")
		return
	}
	for i, item := range Items(v) {
		r.enter(strconv.Itoa(i))
		read(item)
		r.leave()
	}
}

// Text reads a string into to. Like Bool, Object and True, it leaves to as it is if v is nil, for an
// absent member, and a value of another kind is a fault.
func (r *Reader) Text(to *string, v Value) {
	switch {
	case v == nil:
	case v.Kind() != '"':
		r.Fault("must be a string")
	default:
		*to = Text(v)
	}
}

// Bool reads a truth value.
func (r *Reader) Bool(to *bool, v Value) {
	switch {
	case v == nil:
	case v.Kind() != 't' && v.Kind() != 'f':
		r.Fault("must be true or false")
	default:
		*to = v.Kind() == 't'
	}
}

// Object reads an object as the JSON that it is.
func (r *Reader) Object(to *[]byte, v Value) {
	switch {
	case v == nil:
	case v.Kind() != '{':
		r.Fault("must be an object")
	default:
		*to = v
	}
}

// True reads a member that means something only by being there: its one value is true.
func (r *Reader) True(to *bool, v Value) {
	if *to = v.Kind() == 't'; v != nil && !*to {
		r.Fault("must be true or absent")
	}
}
