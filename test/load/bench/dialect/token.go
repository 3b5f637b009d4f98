package dialect

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"
)

// Tokens are signed without a JWT library: the tool should cost little, and must not use
// code of the service that it measures.

// signer makes HS256 tokens.
type signer struct{ secret []byte }

// sign returns a JWT of subject with scope, which may be empty.
func (s signer) sign(subject, scope string, expires time.Time) string {
	return s.seal(unsigned("HS256", subject, scope, nil, expires))
}

// signTopics returns a JWT of subject that names topics.
func (s signer) signTopics(subject string, topics []string, expires time.Time) string {
	return s.seal(unsigned("HS256", subject, "", topics, expires))
}

func (s signer) seal(signed string) string {
	code := hmac.New(sha256.New, s.secret)
	code.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(code.Sum(nil))
}

// Token returns an HS256 token of subject with a scope, which may be empty, and topics.
func Token(secret, subject, scope string, topics []string, expires time.Time) string {
	return signer{[]byte(secret)}.seal(unsigned("HS256", subject, scope, topics, expires))
}

// unsigned returns the header and claims of a JWT, the part that is signed.
func unsigned(algorithm, subject, scope string, topics []string, expires time.Time) string {
	claims := fmt.Sprintf(`{"sub":%q,"exp":%d`, subject, expires.Unix())
	if scope != "" {
		claims += fmt.Sprintf(`,"scope":%q`, scope)
	}
	if len(topics) > 0 {
		claims += fmt.Sprintf(`,"topics":["%s"]`, strings.Join(topics, `","`))
	}
	encoding := base64.RawURLEncoding
	return encoding.EncodeToString(fmt.Appendf(nil, `{"alg":%q,"typ":"JWT"}`, algorithm)) +
		"." + encoding.EncodeToString([]byte(claims+"}"))
}

// rsaBits is the most common size of RSA keys for RS256.
const rsaBits = 2048

// signInAdvance signs an RS256 token for every user, on all processors. It also returns
// the public key, in PEM.
func signInAdvance(users int, expires time.Time) (tokens []string, publicKey []byte, err error) {
	key, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return nil, nil, fmt.Errorf("make an RSA key: %w", err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return nil, nil, fmt.Errorf("write the public key: %w", err)
	}
	tokens = make([]string, users)
	workers := runtime.NumCPU()
	errs := make([]error, workers)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for user := w; user < users && errs[w] == nil; user += workers {
				tokens[user], errs[w] = signRS256(key, unsigned("RS256", UserName(uint32(user)), "", nil, expires))
			}
		})
	}
	all.Wait()
	return tokens, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), errors.Join(errs...)
}

func signRS256(key *rsa.PrivateKey, signed string) (string, error) {
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}
