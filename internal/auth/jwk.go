package auth

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/MicahParks/jwkset"

	"github.com/bellhop/bellhop/internal/strict"
)

// jwk has the members of a JSON Web Key (RFC 7517) that are needed for verification. All
// other members, such as certificates and their thumbprints, are ignored.
type jwk struct {
	kty, crv, n, e, x, y string // the key
	alg, use, kid        string
	ops                  []string // key_ops

	private bool // it has d, so it is a private key
}

// readJWK reads an entry of a key set. A member that is null or empty counts as absent. The
// members that could be read are returned with an error, too.
func readJWK(raw strict.Value) (j jwk, err error) {
	if raw.Kind() != '{' {
		return j, errors.New("it is not a JSON object")
	}
	seen := map[string]bool{}
	for name, v := range strict.Members(raw) {
		if wrong := j.read(name, v, seen); err == nil {
			err = wrong
		}
	}
	return j, err
}

// read stores one member. seen has the names of the members that were read before.
func (j *jwk) read(name string, v strict.Value, seen map[string]bool) (err error) {
	to := j.member(name)
	isNull := v.Kind() == 'n'
	switch {
	case name == "d":
		j.private = !isNull
		return nil
	case to == nil && name != "key_ops":
		return nil
	case seen[name]:
		return fmt.Errorf("it has %s twice", name)
	case isNull:
	case to == nil:
		j.ops, err = keyOps(v)
	case v.Kind() != '"':
		err = fmt.Errorf("its %s is not a string", name)
	default:
		*to = strict.Text(v)
	}
	seen[name] = true
	return err
}

// member returns the field for the member with a name, nil if the member is ignored.
func (j *jwk) member(name string) *string {
	switch name {
	case "kty":
		return &j.kty
	case "crv":
		return &j.crv
	case "n":
		return &j.n
	case "e":
		return &j.e
	case "x":
		return &j.x
	case "y":
		return &j.y
	case "alg":
		return &j.alg
	case "use":
		return &j.use
	case "kid":
		return &j.kid
	}
	return nil
}

// key returns the key for verifying tokens, or an error if j cannot be used for that.
func (j *jwk) key(allowed []string) (key, error) {
	switch {
	case j.use != "" && j.use != string(jwkset.UseSig):
		return key{}, errors.New("its use is not sig")
	case len(j.ops) > 0 && !slices.Contains(j.ops, string(jwkset.KeyOpsVerify)):
		return key{}, errors.New("its key_ops do not have verify")
	}
	stripped, err := j.stripped()
	if err != nil {
		return key{}, err
	}
	read, err := jwkset.NewJWKFromMarshal(stripped, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{SkipUse: true})
	if err != nil {
		return key{}, errors.New("its parameters are not those of a public key") // the error of the library may contain them
	}
	return newKey(j.kid, read.Key(), j.alg, allowed)
}

// stripped returns the key in canonical form, without any other members.
func (j *jwk) stripped() (m jwkset.JWKMarshal, err error) {
	m.KTY, m.CRV = jwkset.KTY(j.kty), jwkset.CRV(j.crv)
	switch m.KTY {
	case jwkset.KtyRSA:
		return m, j.stripRSA(&m)
	case jwkset.KtyEC:
		return m, j.stripEC(&m)
	case jwkset.KtyOKP:
		if m.CRV != jwkset.CrvEd25519 {
			return m, errors.New("its crv is not Ed25519")
		}
		point, err := decode("x", j.x)
		m.X = base64.RawURLEncoding.EncodeToString(point)
		return m, err
	case jwkset.KtyOct:
		return m, errors.New("it is symmetric, and a published key is not secret")
	case "":
		return m, errors.New("it has no kty")
	default:
		return m, errors.New("its kty is not RSA, EC or OKP")
	}
}

// stripRSA sets N and E without leading zeros, which issuers that encode signed numbers add.
func (j *jwk) stripRSA(m *jwkset.JWKMarshal) error {
	n, err := decode("n", j.n)
	if err != nil {
		return err
	}
	e, err := decode("e", j.e)
	if err != nil {
		return err
	}
	number := new(big.Int).SetBytes(e)
	if number.Bit(0) == 0 || number.Cmp(big.NewInt(3)) < 0 || number.Cmp(big.NewInt(math.MaxInt32)) > 0 {
		return errors.New("its e is not an odd number from 3 to 2147483647") // the library would truncate it to an int
	}
	m.N = base64.RawURLEncoding.EncodeToString(bytes.TrimLeft(n, "\x00"))
	m.E = base64.RawURLEncoding.EncodeToString(number.Bytes())
	return nil
}

// stripEC sets X and Y with the number of bytes of the curve (RFC 7518, section 6.2.1.2).
// Some issuers omit leading zeros, and others add one.
func (j *jwk) stripEC(m *jwkset.JWKMarshal) error {
	size, ok := map[jwkset.CRV]int{jwkset.CrvP256: 32, jwkset.CrvP384: 48, jwkset.CrvP521: 66}[m.CRV]
	if !ok {
		return errors.New("its crv is not P-256, P-384 or P-521")
	}
	for _, c := range []struct {
		name, text string
		to         *string
	}{{"x", j.x, &m.X}, {"y", j.y, &m.Y}} {
		number, err := decode(c.name, c.text)
		if err != nil {
			return err
		}
		number = bytes.TrimLeft(number, "\x00")
		if len(number) > size {
			return fmt.Errorf("its %s has more than %d bytes", c.name, size)
		}
		*c.to = base64.RawURLEncoding.EncodeToString(append(make([]byte, size-len(number)), number...))
	}
	return nil
}

// decode decodes text in base64url or base64, with or without padding.
func decode(name, text string) ([]byte, error) {
	plain := strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(text, "="))
	if plain == "" {
		return nil, fmt.Errorf("it has no %s", name)
	}
	decoded, err := base64.RawURLEncoding.DecodeString(plain)
	if err != nil {
		return nil, fmt.Errorf("its %s is not base64url", name)
	}
	return decoded, nil
}

// keyOps returns the strings in v, the value of key_ops.
func keyOps(v strict.Value) ([]string, error) {
	wrong := errors.New("its key_ops are not a list of strings")
	if v.Kind() != '[' {
		return nil, wrong
	}
	var list []string
	for _, item := range strict.Items(v) {
		if item.Kind() != '"' {
			return nil, wrong
		}
		list = append(list, strict.Text(item))
	}
	return list, nil
}
