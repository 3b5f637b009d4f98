package auth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/bellhop/bellhop/internal/text"
)

// key verifies signatures of one algorithm.
type key struct {
	kid      string // empty: the key fits every kid
	method   jwt.SigningMethod
	material any // the key in the type that method expects
}

// algorithms are all supported algorithms. The default of each kind of key comes first.
var algorithms = [...]string{
	"HS256", "HS384", "HS512",
	"RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
	"ES256", "ES384", "ES512",
	"EdDSA",
}

func isAlgorithm(alg string) bool { return slices.Contains(algorithms[:], alg) }

func isHMAC(alg string) bool { return strings.HasPrefix(alg, "HS") }

// CheckAlgorithms returns an error that names every algorithm of list that is unknown.
func CheckAlgorithms(list []string) error {
	var errs []error
	for _, alg := range list {
		if !isAlgorithm(alg) {
			errs = append(errs, fmt.Errorf("unknown algorithm %q: it must be one of %s", alg, strings.Join(algorithms[:], ", ")))
		}
	}
	return errors.Join(errs...)
}

// newKey returns a key with its only algorithm: the declared one, else the first allowed one
// that fits, else the default. An empty allowed allows all.
func newKey(kid string, material any, declared string, allowed []string) (key, error) {
	fit, err := algorithmsOf(material)
	if err != nil {
		return key{}, err
	}
	if len(allowed) == 0 {
		allowed = fit
	}
	if declared != "" {
		if !slices.Contains(fit, declared) {
			return key{}, fmt.Errorf("its alg does not fit the key: it must be one of %s", strings.Join(fit, ", "))
		}
		fit = []string{declared}
	}
	for _, alg := range allowed {
		if slices.Contains(fit, alg) {
			return key{kid: kid, method: jwt.GetSigningMethod(alg), material: material}, nil
		}
	}
	return key{}, fmt.Errorf("none of the configured algorithms fits the key: configure one of %s", strings.Join(fit, ", "))
}

// algorithmsOf returns the algorithms that a key can verify, or an error if the key is too
// weak or of an unsupported kind.
func algorithmsOf(material any) ([]string, error) {
	switch m := material.(type) {
	case []byte:
		if len(m) < MinSecretBytes {
			return nil, fmt.Errorf("it has %d bytes and needs %d or more", len(m), MinSecretBytes)
		}
		if err := text.CheckSecret(string(m)); err != nil {
			return nil, fmt.Errorf("it %w", err)
		}
		return algorithms[0:3], nil
	case *rsa.PublicKey:
		if bits := m.N.BitLen(); bits < MinRSABits {
			return nil, fmt.Errorf("an RSA key of %d bits: it needs %d or more", bits, MinRSABits)
		}
		if m.N.BitLen() > MaxRSABits || m.N.Bit(0) == 0 {
			return nil, fmt.Errorf("an RSA key whose modulus is even or has more than %d bits", MaxRSABits)
		}
		return algorithms[3:9], nil
	case *ecdsa.PublicKey:
		switch m.Curve {
		case elliptic.P256():
			return algorithms[9:10], nil
		case elliptic.P384():
			return algorithms[10:11], nil
		case elliptic.P521():
			return algorithms[11:12], nil
		}
	case ed25519.PublicKey:
		return algorithms[12:13], nil
	}
	return nil, errors.New("unsupported kind of key: it must be RSA, EC P-256, P-384 or P-521, or Ed25519")
}

// fits reports whether t may have been signed with k. A kid is optional on
// either side.
func (k *key) fits(t *token) bool {
	return k.method.Alg() == t.alg && (k.kid == "" || t.kid == "" || k.kid == t.kid)
}

func anyFits(keys []key, t *token) bool {
	return slices.ContainsFunc(keys, func(k key) bool { return k.fits(t) })
}

// verifyWith verifies the signature of t with the keys that fit. It reports whether any key
// fits, and whether one has verified the signature.
func verifyWith(keys []key, t *token) (fits, ok bool) {
	for i := range keys {
		k := &keys[i]
		if !k.fits(t) {
			continue
		}
		fits = true
		if k.method.Verify(t.signed, t.signature, k.material) == nil {
			return true, true
		}
	}
	return fits, false
}

// parsePEM returns the public keys in data, which must have at least one.
func parsePEM(data []byte, allowed []string) ([]key, error) {
	data, err := text.Clean(data)
	if err != nil {
		return nil, err
	}
	var keys []key
	for {
		var block *pem.Block
		if block, data = pem.Decode(data); block == nil {
			break
		}
		public, err := publicKey(block)
		if err != nil {
			return nil, fmt.Errorf("PEM block %d: %w", len(keys)+1, err)
		}
		k, err := newKey("", public, "", allowed)
		if err != nil {
			return nil, fmt.Errorf("PEM block %d: %w", len(keys)+1, err)
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, errors.New("it has no PEM block with a public key or certificate")
	}
	return keys, nil
}

func publicKey(block *pem.Block) (any, error) {
	switch {
	case block.Type == "PUBLIC KEY":
		return x509.ParsePKIXPublicKey(block.Bytes)
	case block.Type == "RSA PUBLIC KEY":
		return x509.ParsePKCS1PublicKey(block.Bytes)
	case block.Type == "CERTIFICATE":
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		return cert.PublicKey, nil
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return nil, errors.New("it is a private key: the file must have only the public key")
	default:
		return nil, fmt.Errorf("its type is %s: it must be a public key or certificate", block.Type)
	}
}
