package auth

import (
	"errors"
	"strings"

	"github.com/bellhop/bellhop/internal/strict"
)

// token is a JWT in its parts, of which nothing is verified yet.
type token struct {
	alg       string
	kid       string // empty: not said
	signed    string // what the signature is over
	payload   []byte
	signature []byte
}

// split takes a token apart. golang-jwt's own parser is not asked: it reads the
// last of duplicate members, members in another case, and `crit` for nothing.
func (v *Verifier) split(s string) (token, error) {
	if err := checkShape(s); err != nil {
		return token{}, err
	}
	dot := strings.LastIndexByte(s, '.')
	header, payload, _ := strings.Cut(s[:dot], ".")
	t, err := v.readHeader(header)
	if err != nil {
		return token{}, err
	}
	t.signed = s[:dot]
	if t.payload, err = v.segments.DecodeSegment(payload); err != nil {
		return token{}, invalid("the token's claims are not base64url as RFC 7515 has it")
	}
	if t.signature, err = v.segments.DecodeSegment(s[dot+1:]); err != nil {
		return token{}, invalid("the token's signature is not base64url as RFC 7515 has it")
	}
	return t, nil
}

// knownHeader is the header of a token as it is written, and read.
type knownHeader struct {
	segment string
	token   token
}

// readHeader returns a token of which the header alone is read. Those of one
// issuer begin with the same one as a rule.
func (v *Verifier) readHeader(segment string) (token, error) {
	if known := v.header.Load(); known != nil && known.segment == segment {
		return known.token, nil
	}
	raw, err := v.segments.DecodeSegment(segment)
	if err != nil {
		return token{}, invalid("the token's header is not base64url as RFC 7515 has it")
	}
	var t token
	if err := t.readHeader(raw); err != nil {
		return token{}, err
	}
	v.header.Store(&knownHeader{strings.Clone(segment), t})
	return t, nil
}

// checkShape refuses what cannot be a JWT before anything is decoded.
func checkShape(s string) error {
	dots, length := 0, 0 // of the part so far
	for i := range len(s) {
		switch b := s[i]; {
		case b == '.' && length > 0:
			dots++
			length = 0
		case b == '.', !isBase64URL(b):
			return invalid("the token is not a JWT: it has an empty part or a character that is not base64url")
		default:
			length++
		}
	}
	if dots != 2 || length == 0 {
		return invalid("the token is not a JWT of three parts")
	}
	return nil
}

func isBase64URL(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '-' || b == '_'
}

func (t *token) readHeader(raw []byte) error {
	err := readObject(raw, func(name string, v strict.Value) (err error) {
		switch name {
		case "alg":
			t.alg, err = readString(name, v)
		case "kid":
			t.kid, err = readString(name, v)
		case "typ":
			err = checkType(v)
		case "crit", "b64": // RFC 7515, section 4.1.11, and RFC 7797
			err = invalid("the token's header demands an extension: " + name)
		}
		return err
	})
	switch {
	case errors.Is(err, errNoObject):
		return invalid("the token's header is not a JSON object, has a member twice, or nests too deep")
	case err != nil:
		return err
	case t.alg == "":
		return invalid("the token's header has no alg")
	case !isAlgorithm(t.alg):
		return invalid("the token's alg is not one that is accepted here")
	}
	return nil
}

// checkType keeps out what an issuer signs for other purposes, such as ID
// tokens with a type of their own (RFC 8725, section 3.11).
func checkType(v strict.Value) error {
	typ, err := readString("typ", v)
	if err != nil {
		return err
	}
	switch strings.TrimPrefix(strings.ToLower(typ), "application/") {
	case "jwt", "at+jwt":
		return nil
	}
	return invalid("the token's typ is neither JWT nor at+jwt")
}

// errNoObject is the error of readObject for data that is not one strict JSON object.
var errNoObject = errors.New("not a JSON object")

// readObject calls member for each member of the JSON object in data, which it reads
// strictly: see strict.JSON.
func readObject(data []byte, member func(name string, v strict.Value) error) error {
	object, err := strict.JSON(data, strict.DefaultDepth)
	if err != nil || object.Kind() != '{' {
		return errNoObject
	}
	for name, v := range strict.Members(object) {
		if err := member(name, v); err != nil {
			return err
		}
	}
	return nil
}

// readString returns the string v. name must be the name of a member, not a text from a token:
// the error repeats it.
func readString(name string, v strict.Value) (string, error) {
	if v.Kind() != '"' {
		return "", invalid("the token's " + name + " is not a string")
	}
	return strict.Text(v), nil
}
