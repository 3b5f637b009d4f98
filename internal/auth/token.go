package auth

import (
	"errors"
	"strings"

	"github.com/bellhop/bellhop/internal/strict"
)

// token has the parts of a JWT. None of them is verified yet.
type token struct {
	alg       string
	kid       string // empty: the token has no kid
	signed    string // the signed part: header and payload in base64url
	payload   []byte
	signature []byte
}

// split returns the parts of a token. The parser of golang-jwt is not used, because it accepts
// duplicate members (the last one wins), ignores the case of names, and ignores crit.
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
		return token{}, invalid("the token's claims are not base64url without padding (RFC 7515)")
	}
	if t.signature, err = v.segments.DecodeSegment(s[dot+1:]); err != nil {
		return token{}, invalid("the token's signature is not base64url without padding (RFC 7515)")
	}
	return t, nil
}

// knownHeader is an encoded header, and the token with its decoded fields.
type knownHeader struct {
	segment string
	token   token
}

// readHeader returns a token with the fields of the header. Most tokens of an issuer have
// the same header, so the last one is cached.
func (v *Verifier) readHeader(segment string) (token, error) {
	if known := v.header.Load(); known != nil && known.segment == segment {
		return known.token, nil
	}
	raw, err := v.segments.DecodeSegment(segment)
	if err != nil {
		return token{}, invalid("the token's header is not base64url without padding (RFC 7515)")
	}
	var t token
	if err := t.readHeader(raw); err != nil {
		return token{}, err
	}
	v.header.Store(&knownHeader{strings.Clone(segment), t})
	return t, nil
}

// checkShape refuses text that cannot be a JWT, before anything is decoded.
func checkShape(s string) error {
	dots, length := 0, 0 // length of the current part
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
			err = invalid("the token's header has " + name + ", and no extensions are supported")
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
		return invalid("the token's alg is not supported: it must be one of " + strings.Join(algorithms[:], ", "))
	}
	return nil
}

// checkType refuses tokens that the issuer signed for other purposes, such as logout tokens,
// by their type (RFC 8725, section 3.11).
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
