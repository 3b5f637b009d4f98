package auth

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/bellhop/bellhop/internal/strict"
)

// claimRef names a claim: a member of a token's payload or, as a JSON pointer
// (RFC 6901), a value inside of one.
type claimRef struct {
	text string   // as it is configured
	name string   // of the member
	path []string // from the member to the value
}

// registered are the claims that have a fixed meaning, which settings cannot change.
var registered = []string{"iss", "aud", "exp", "nbf", "iat", "jti", "since"}

// parseClaim reads a claim name, or a JSON pointer if text begins with a slash.
func parseClaim(text string) (claimRef, error) {
	ref := claimRef{text: text, name: text}
	if pointer, ok := strings.CutPrefix(text, "/"); ok {
		tokens := strings.Split(pointer, "/")
		for i, t := range tokens {
			plain, err := unescapePointer(t)
			if err != nil {
				return ref, err
			}
			tokens[i] = plain
		}
		ref.name, ref.path = tokens[0], tokens[1:]
	}
	switch {
	case ref.name == "":
		return ref, errors.New("names no claim")
	case slices.Contains(registered, ref.name):
		return ref, errors.New("names a claim with a fixed meaning: it must not be one of " + strings.Join(registered, ", "))
	}
	return ref, nil
}

func unescapePointer(token string) (string, error) {
	rest := strings.ReplaceAll(strings.ReplaceAll(token, "~0", ""), "~1", "")
	if strings.Contains(rest, "~") {
		return "", errors.New("is no JSON pointer: ~ must be written ~0, and / inside a name ~1")
	}
	return strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~"), nil
}

// isSameAs reports whether r and other name the same claim. "/a" and "a" are the same.
func (r *claimRef) isSameAs(other *claimRef) bool {
	return r.name == other.name && slices.Equal(r.path, other.path)
}

// in returns the value that r names, if that is the member name of the payload or inside
// its value v. It returns false for a null.
func (r *claimRef) in(name string, v strict.Value) (strict.Value, bool) {
	if name != r.name {
		return nil, false
	}
	for _, token := range r.path {
		if v = child(v, token); v == nil {
			return nil, false
		}
	}
	return v, v.Kind() != 'n'
}

// child returns the member or item of v that a token of a JSON pointer names, or nil if there
// is none.
func child(v strict.Value, token string) strict.Value {
	if v.Kind() == '{' {
		for name, member := range strict.Members(v) {
			if name == token {
				return member
			}
		}
		return nil
	}
	if v.Kind() != '[' {
		return nil
	}
	for i, item := range strict.Items(v) {
		if strconv.Itoa(i) == token {
			return item
		}
	}
	return nil
}
