// Package pack writes and reads the fields of binary records: numbers, strings, lists of
// names and times, one after the other, without names of their own. It leaves the order
// and the versions of fields to the packages that define a record.
//
// Reading never panics and never allocates more than a small multiple of its input.
// Each value has one encoding only, so equal records have equal bytes.
package pack

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// ErrMalformed says that bytes are no record of the expected form.
var ErrMalformed = errors.New("malformed record")

// AppendUint appends n as a varint.
func AppendUint(dst []byte, n uint64) []byte { return binary.AppendUvarint(dst, n) }

// AppendInt appends n as a varint in zigzag form.
func AppendInt(dst []byte, n int64) []byte { return binary.AppendVarint(dst, n) }

// AppendString appends s with its length.
func AppendString[T ~string | ~[]byte](dst []byte, s T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// AppendNames appends names with their number.
func AppendNames[T ~string](dst []byte, names []T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(names)))
	for _, name := range names {
		dst = AppendString(dst, name)
	}
	return dst
}

// AppendBool appends b as a byte.
func AppendBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, 1)
	}
	return append(dst, 0)
}

// AppendMillis appends t in milliseconds since 1970, and the zero time as 0.
func AppendMillis(dst []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(dst, 0)
	}
	return AppendUint(dst, uint64(t.UnixMilli()))
}

// AppendInstant appends t with nanoseconds: 0 for the zero time, else the nanoseconds
// within the second plus 1, and the seconds since 1970.
func AppendInstant(dst []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(dst, 0)
	}
	return AppendInt(AppendUint(dst, uint64(t.Nanosecond())+1), t.Unix()) //nolint:gosec // at most a second
}

// Reader reads the fields of a record in order. The first field that is malformed sets
// the error; from then on all fields are empty.
type Reader struct {
	rest []byte
	err  error
}

// NewReader returns a Reader of b. What it returns may be parts of b.
func NewReader(b []byte) *Reader { return &Reader{rest: b} }

// Err returns the error of the first malformed field.
func (r *Reader) Err() error { return r.err }

// End returns Err, or ErrMalformed if there are bytes behind the last field.
func (r *Reader) End() error {
	if r.err == nil && len(r.rest) > 0 {
		r.Fail()
	}
	return r.err
}

// Rest reads all that is left, as a part of the record.
func (r *Reader) Rest() []byte {
	b := r.rest
	r.rest = nil
	return b
}

// Len returns the number of bytes that are left.
func (r *Reader) Len() int { return len(r.rest) }

// Fail makes the record malformed.
func (r *Reader) Fail() { r.rest, r.err = nil, ErrMalformed }

// Uint reads what AppendUint has written.
func (r *Reader) Uint() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 || size > 1 && r.rest[size-1] == 0 { // the latter is not the shortest form
		r.Fail()
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

// Int reads what AppendInt has written.
func (r *Reader) Int() int64 {
	n := r.Uint()
	return int64(n>>1) ^ -int64(n&1)
}

// Uint32 reads what AppendUint has written, if it fits.
func (r *Reader) Uint32() uint32 {
	n := r.Uint()
	if n > math.MaxUint32 {
		r.Fail()
		return 0
	}
	return uint32(n)
}

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if b := r.Bytes(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

// Bytes reads n bytes, which are a part of the record.
func (r *Reader) Bytes(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.Fail()
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

// Sized reads what AppendString has written, as a part of the record.
func (r *Reader) Sized() []byte { return r.Bytes(r.Uint()) }

// String reads what AppendString has written.
func (r *Reader) String() string { return string(r.Sized()) }

// Bool reads what AppendBool has written.
func (r *Reader) Bool() bool {
	b := r.Byte()
	if b > 1 {
		r.Fail()
	}
	return b == 1
}

// Count reads a number of items, each of which takes at least one byte.
func (r *Reader) Count() int {
	n := r.Uint()
	if n > uint64(len(r.rest)) {
		r.Fail()
		return 0
	}
	return int(n) //nolint:gosec // of bytes in memory
}

// Names reads what AppendNames has written; nil if there are none.
func Names[T ~string](r *Reader) (names []T) {
	n := r.Count()
	if n == 0 {
		return nil
	}
	names = make([]T, 0, n)
	for range n {
		names = append(names, T(r.Sized()))
	}
	if r.err != nil {
		return nil
	}
	return names
}

// SkipNames skips what AppendNames has written, and returns the number of names.
func (r *Reader) SkipNames() int {
	n := r.Count()
	for range n {
		r.Sized()
	}
	return n
}

// Millis reads what AppendMillis has written, in UTC.
func (r *Reader) Millis() time.Time {
	ms := r.Uint()
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(ms)).UTC() //nolint:gosec // what AppendMillis has written
}

// Instant reads what AppendInstant has written, in UTC.
func (r *Reader) Instant() time.Time {
	n := r.Uint()
	if n == 0 {
		return time.Time{}
	}
	seconds := r.Int()
	if n > uint64(time.Second) || r.err != nil {
		r.Fail()
		return time.Time{}
	}
	t := time.Unix(seconds, int64(n-1)).UTC()
	if t.Unix() != seconds || t.IsZero() { // beyond what a Time can say, or not its only form
		r.Fail()
		return time.Time{}
	}
	return t
}
