package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"math/big"
	"strings"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/strict"
	"github.com/bellhop/bellhop/internal/watch"
)

// An API key is keyPrefix, 256 random bits in base 62, and a checksum of both. By the prefix,
// scanners find keys that were committed or logged by mistake, and the checksum avoids false
// alarms. The checksum also distinguishes a typing error from a removed key.
const (
	keyPrefix     = "bhk_"
	keyDigits     = 43 // 62^43 > 2^256
	keyCheck      = 6  // 62^6 > 2^32
	keyLength     = len(keyPrefix) + keyDigits + keyCheck
	base62        = 62
	maxAPIKeys    = 1_000 // a received key is compared with each of them
	keyRandomness = 32    // bytes
)

// apiKey is an API key in the file, which has only its hash. A fast hash is sufficient: 256
// random bits cannot be guessed, so a slow hash would protect nothing.
type apiKey struct {
	hash      [sha256.Size]byte
	principal notify.Principal
}

// NewAPIKey returns a new API key for a backend, and its entry for the API keys file. The key
// itself is not stored anywhere.
func NewAPIKey(name string, scopes []notify.Scope) (key, entry string, err error) {
	if len(scopes) == 0 {
		err = errors.New("a key needs at least one scope")
	}
	if err := errors.Join(checkName(name), checkScopes(scopes), err); err != nil {
		return "", "", err
	}
	random := make([]byte, keyRandomness)
	_, _ = rand.Read(random) // never fails
	key = keyPrefix + digits(new(big.Int).SetBytes(random), keyDigits)
	key += checksum(key)
	hash := sha256.Sum256([]byte(key))
	// Quoted, since YAML could read a name as null or a number. A name cannot contain a quote.
	entry = fmt.Sprintf("- name: '%s'\n  sha256: %x\n  scopes: ['%s']\n", name, hash, joinScopes(scopes, "", "', '"))
	return key, entry, nil
}

// digits returns n in base 62, padded with leading zeros.
func digits(n *big.Int, length int) string {
	s := n.Text(base62)
	return strings.Repeat("0", length-len(s)) + s
}

func checksum(s string) string {
	return digits(big.NewInt(int64(crc32.ChecksumIEEE([]byte(s)))), keyCheck)
}

// isAPIKey reports whether s has the prefix of an API key, which no JWT has.
func isAPIKey(s string) bool { return strings.HasPrefix(s, keyPrefix) }

// isWholeAPIKey reports whether s has the form of an API key and a correct checksum. The key
// may be unknown.
func isWholeAPIKey(s string) bool {
	if len(s) != keyLength || !isAPIKey(s) || !consistsOf(s[len(keyPrefix):], alphanumerics) {
		return false
	}
	end := len(s) - keyCheck
	return checksum(s[:end]) == s[end:]
}

// verifyAPIKey returns the principal of key. It looks in the current file each time, so a
// removed key is refused from then on.
func (v *Verifier) verifyAPIKey(key string) (notify.Principal, error) {
	if !isWholeAPIKey(key) {
		return notify.Principal{}, notify.TokenInvalid(notify.CauseAPIKey, "the API key is incomplete or mistyped: its checksum is wrong")
	}
	var keys []apiKey
	if v.apiKeys != nil {
		keys = v.apiKeys.Current()
	}
	hash, found := sha256.Sum256([]byte(key)), -1
	for i := range keys { // compares all of them, so that the duration reveals nothing
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(hash[:], keys[i].hash[:]), i, found)
	}
	if found < 0 {
		return notify.Principal{}, invalidFor(notify.CauseAPIKey, "the API key is unknown", "its sha256 begins with %x", hash[:shownHash])
	}
	return keys[found].principal, nil
}

// shownHash is the number of bytes of an unknown key's hash that are logged, so that operators
// find the key in an older file.
const shownHash = 4

func apiKeysFile(o *Options) *watch.Source[[]apiKey] {
	return fileSource("API keys", o.APIKeysFile, o, func(_ context.Context, data []byte) ([]apiKey, error) {
		return parseAPIKeys(data)
	})
}

// keyItem is an item of the API keys file.
type keyItem struct {
	Name   string         `yaml:"name"`
	SHA256 string         `yaml:"sha256"`
	Scopes []notify.Scope `yaml:"scopes"`
}

func parseAPIKeys(data []byte) ([]apiKey, error) {
	items, err := strict.List[keyItem](data, maxAPIKeys)
	errs := []error{err}
	var keys []apiKey
	names, hashes := map[string]bool{}, map[[sha256.Size]byte]bool{}
	for n := range items {
		item := &items[n]
		name := item.Value.Name
		k := apiKey{principal: notify.Principal{Name: "key:" + name, Scopes: item.Value.Scopes}}
		wrong := errors.Join(item.At("name", checkName(name)), item.At("sha256", k.readHash(item.Value.SHA256)),
			item.At("scopes", checkScopes(item.Value.Scopes)))
		switch {
		case wrong != nil:
		case names[name] && item.Has("name"):
			wrong = item.Wrong("the name %s is used twice", name)
		case hashes[k.hash] && item.Has("sha256"):
			wrong = item.Wrong("the key is listed twice")
		}
		names[name], hashes[k.hash] = true, true
		keys, errs = append(keys, k), append(errs, wrong)
	}
	return keys, strict.Ordered(errs...)
}

// readHash reads the SHA-256 of a key in hexadecimal digits.
func (k *apiKey) readHash(text string) error {
	switch hash, err := hex.DecodeString(text); {
	case isAPIKey(text):
		return errors.New("sha256 is the key itself, which only its backend may know: make a new key with bellhop key new")
	case err != nil || len(hash) != len(k.hash):
		return fmt.Errorf("sha256 must be %d hexadecimal digits", 2*len(k.hash))
	default:
		k.hash = [sha256.Size]byte(hash)
		return nil
	}
}
