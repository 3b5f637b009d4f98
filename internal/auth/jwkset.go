package auth

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/bellhop/bellhop/internal/strict"
	"github.com/bellhop/bellhop/internal/text"
)

// Limits on log lines about a key set.
const (
	maxSetWarnings = 20 // entries with a line of their own
	maxShownKID    = 64 // bytes of a kid
)

// setReader reads the key sets of one source. An entry that cannot be used does not affect
// the others. A warning about an entry is logged once, and again only after the entry has
// changed. A setReader must not be used concurrently.
type setReader struct {
	name    string
	allowed []string // algorithms
	logger  *slog.Logger
	warned  map[[sha256.Size]byte]bool // entries of the last set with a warning, by their hashes
	many    bool                       // the last set had more than maxSetWarnings such entries
}

func newSetReader(o *Options, name string) *setReader {
	return &setReader{name: name, allowed: o.Algorithms, logger: o.Logger}
}

// read returns the usable keys of a set. A set without any is an error, so that it does not
// replace good keys.
func (r *setReader) read(data []byte) ([]key, error) {
	entries, err := entriesOf(data)
	if err != nil {
		return nil, err
	}
	var keys []key
	var first error // the reason for which the first entry was skipped
	w := warnings{reader: r, given: map[[sha256.Size]byte]bool{}}
	for i, raw := range entries {
		j, err := readJWK(raw)
		var k key
		if err == nil {
			k, err = j.key(r.allowed)
		}
		if err != nil {
			w.skipped(i, j.kid, raw, err)
			if first == nil {
				first = fmt.Errorf("key %d: %w", i, err)
			}
			continue
		}
		if j.private {
			w.private(i, j.kid, raw)
		}
		keys = append(keys, k)
	}
	w.finish()
	switch {
	case len(entries) == 0:
		return nil, errors.New("the key set is empty")
	case len(keys) == 0:
		return nil, fmt.Errorf("none of its %d keys can verify tokens; %w", len(entries), first)
	case len(keys) > maxSetKeys:
		return nil, fmt.Errorf("it has %d keys; the maximum is %d", len(keys), maxSetKeys)
	}
	return keys, nil
}

// warnings are the warnings about one set.
type warnings struct {
	reader *setReader
	given  map[[sha256.Size]byte]bool
	more   int // number of entries beyond maxSetWarnings
}

// skipped warns of an entry that cannot be used.
func (w *warnings) skipped(index int, kid string, raw []byte, reason error) {
	if w.isNew(raw) {
		w.reader.logger.Warn("a key of a key set cannot be used and is skipped",
			"source", w.reader.name, "index", index, "kid", shortKID(kid), "reason", reason)
	}
}

// private warns of an entry that is used and should not have been published.
func (w *warnings) private(index int, kid string, raw []byte) {
	if w.isNew(raw) {
		w.reader.logger.Warn("a key set holds a private key; it must be replaced, since anybody who has read the set can sign with it",
			"source", w.reader.name, "index", index, "kid", shortKID(kid))
	}
}

// isNew reports whether a warning about an entry must be logged.
func (w *warnings) isNew(raw []byte) bool {
	hash := sha256.Sum256(raw)
	if w.given[hash] {
		return false // an equal entry of the same set
	}
	if len(w.given) == maxSetWarnings {
		w.more++
		return false
	}
	w.given[hash] = true
	return !w.reader.warned[hash]
}

func shortKID(kid string) string {
	if len(kid) > maxShownKID {
		return strings.ToValidUTF8(kid[:maxShownKID], "") + "…"
	}
	return kid
}

func (w *warnings) finish() {
	if w.more > 0 && !w.reader.many {
		w.reader.logger.Warn("further keys of a key set cannot be used and are skipped", "source", w.reader.name, "keys", w.more)
	}
	w.reader.warned, w.reader.many = w.given, w.more > 0
}

// entriesOf returns the entries of a JWK Set. If data is something else, the error says what
// it seems to be.
func entriesOf(data []byte) ([]strict.Value, error) {
	data, err := text.Clean(data)
	if err != nil {
		return nil, err
	}
	switch start := bytes.TrimLeft(data, " \t\r\n"); {
	case len(start) == 0:
		return nil, errors.New("not a JWK Set: it is empty")
	case start[0] == '<':
		return nil, errors.New("not a JWK Set: it is a page in HTML or XML")
	case start[0] == '-':
		return nil, errors.New("not a JWK Set: it seems to be PEM, which belongs into a public key file")
	case start[0] != '{':
		return nil, errors.New(`not a JWK Set: it must be a JSON object with a list of keys in its member "keys"`)
	}
	if strict.Depth(data, maxSetDepth) != nil {
		data = shallow(data)
	}
	set, err := strict.Lenient(data)
	if err != nil {
		return nil, errors.New("not a JWK Set: it is not valid JSON, or was cut off")
	}
	var found topMembers
	for name, v := range strict.Members(set) {
		found.read(name, v)
	}
	return found.entries()
}

// maxSetDepth is the depth to which key sets are read. A set needs four levels: the set, the
// list, a key, and its key_ops.
const maxSetDepth = 16

// shallow removes everything nested deeper than maxSetDepth from JSON. It is not needed, and
// the decoder would refuse the whole set because of its depth.
func shallow(data []byte) []byte {
	var kept []byte
	depth, inString, escaped := 0, false, false
	for _, b := range data {
		opens := !inString && (b == '{' || b == '[')
		closes := !inString && (b == '}' || b == ']')
		if closes {
			depth--
		}
		if depth < maxSetDepth {
			kept = append(kept, b)
		}
		if opens {
			depth++
		}
		if b == '"' && !escaped {
			inString = !inString
		}
		escaped = inString && b == '\\' && !escaped
	}
	return kept
}

// topMembers are the top-level members of JSON that may be a key set.
type topMembers struct {
	keys []strict.Value // the values of all members "keys"; a key set has one

	isConfiguration, isKey, hasCertificate bool
}

func (t *topMembers) read(name string, v strict.Value) {
	switch name {
	case "keys":
		t.keys = append(t.keys, v)
	case "jwks_uri":
		t.isConfiguration = true
	case "kty":
		t.isKey = true
	}
	t.hasCertificate = t.hasCertificate || bytes.HasPrefix(v, []byte(`"-----BEGIN CERTIFICATE`))
}

func (t *topMembers) entries() ([]strict.Value, error) {
	switch {
	case len(t.keys) > 1:
		return nil, errors.New(`not a JWK Set: it has the member "keys" twice`)
	case len(t.keys) == 1:
		if t.keys[0].Kind() != '[' {
			return nil, errors.New(`not a JWK Set: its member "keys" is not a list`)
		}
		var entries []strict.Value
		for _, entry := range strict.Items(t.keys[0]) {
			entries = append(entries, entry)
		}
		return entries, nil
	case t.isConfiguration:
		return nil, errors.New("not a JWK Set: it is an OpenID configuration; the URL of the key set is the value of its jwks_uri")
	case t.isKey:
		return nil, errors.New(`not a JWK Set: it is a single key; a set is {"keys": [ … ]} with the key in the list`)
	case t.hasCertificate:
		return nil, errors.New("not a JWK Set: it is a map of X.509 certificates, as Google and Firebase publish beside their key sets; " +
			"that of Firebase is at https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com")
	default:
		return nil, errors.New(`not a JWK Set: it has no member "keys"`)
	}
}
