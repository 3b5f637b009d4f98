package wire

import (
	"bytes"
	"iter"

	"github.com/go-json-experiment/json/jsontext"
)

// What is in this file takes apart JSON that strict has passed: it is valid and
// compact, so that a value ends where its brackets close. stringEnd alone takes
// whatever comes.

// membersOf returns the members of an object.
func membersOf(v jsontext.Value) iter.Seq2[string, jsontext.Value] {
	return func(yield func(string, jsontext.Value) bool) {
		for at := 1; v[at] != '}'; {
			if v[at] == ',' {
				at++
			}
			end := at + stringEnd(v[at:])
			name := nameOf(v[at:end])
			at = end + len(":")
			end = at + valueEnd(v[at:])
			if !yield(name, v[at:end]) {
				return
			}
			at = end
		}
	}
}

// common are the names that nearly all bodies have: they are no garbage.
var common = [...]string{"to", "users", "topics", "type", "title", "body", "data", "ttl", "ephemeral"}

// nameOf is unquote for the name of a member.
func nameOf(v jsontext.Value) string {
	for _, name := range common {
		if string(v[1:len(v)-1]) == name {
			return name
		}
	}
	return unquote(v)
}

// itemsOf returns the items of an array.
func itemsOf(v jsontext.Value) iter.Seq2[int, jsontext.Value] {
	return func(yield func(int, jsontext.Value) bool) {
		for at, i := 1, 0; v[at] != ']'; i++ {
			if v[at] == ',' {
				at++
			}
			end := at + valueEnd(v[at:])
			if !yield(i, v[at:end]) {
				return
			}
			at = end
		}
	}
}

// valueEnd returns how long the value is that v begins with.
func valueEnd(v []byte) int {
	depth := 0
	for i := 0; i < len(v); i++ {
		switch v[i] {
		case '"':
			i += stringEnd(v[i:]) - 1
			if depth == 0 {
				return i + 1
			}
		case '{', '[':
			depth++
		case ',':
			if depth == 0 {
				return i
			}
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			} else if depth < 0 { // of what the value is in
				return i
			}
		}
	}
	return len(v)
}

// stringEnd returns how long the string is that v begins with, with its quotes;
// if it does not end, how long v is.
func stringEnd(v []byte) int {
	for i := 1; ; i++ {
		next := bytes.IndexByte(v[i:], '"')
		if next < 0 {
			return len(v)
		}
		i += next
		if escapes := len(v[1:i]) - len(bytes.TrimRight(v[1:i], `\`)); escapes%2 == 0 {
			return i + 1
		}
	}
}

// unquote returns what a string says.
func unquote(v jsontext.Value) string {
	for _, c := range v {
		if c == '\\' {
			s, _ := jsontext.AppendUnquote(nil, v) // valid: there is no error
			return string(s)
		}
	}
	return string(v[1 : len(v)-1])
}
