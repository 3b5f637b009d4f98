package auth

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/strict"
)

// noPrefix is the value of a user prefix that means explicitly no prefix.
const noPrefix = "none"

// maxPrefixBytes is the maximum length of a user prefix: half of that of a user.
const maxPrefixBytes = 128

// issuerEntry is the configuration of an issuer: an item of the issuers file, or the
// settings.
type issuerEntry struct {
	Issuer        string   `yaml:"issuer"`
	JWKS          string   `yaml:"jwks,omitempty"`
	PublicKeyFile string   `yaml:"public_key_file,omitempty"`
	SecretFile    string   `yaml:"secret_file,omitempty"`
	Algorithms    []string `yaml:"algorithms,omitempty"`

	Audiences strict.TextsOrAny `yaml:"audiences"`         // a token must have one of them; a single Any, or none: any audience
	Clients   []string          `yaml:"clients,omitempty"` // see Options.Clients; none: any client

	UserClaim   string   `yaml:"user_claim,omitempty"`
	UserPrefix  string   `yaml:"user_prefix,omitempty" empty:"allowed"`
	ScopeClaims []string `yaml:"scope_claims,omitempty"`
	ScopePrefix string   `yaml:"scope_prefix,omitempty"`
	TopicsClaim string   `yaml:"topics_claim,omitempty"`

	Scopes []notify.Scope        `yaml:"scopes,omitempty" empty:"allowed"` // the scopes that its tokens may have
	Topics []notify.TopicPattern `yaml:"topics,omitempty" empty:"allowed"` // the topics that its tokens may have

	hasPrefix bool // UserPrefix is configured, even if it is empty
	allScopes bool // Scopes is not used: all scopes are allowed
	anyTopic  bool // Topics is not used: all topics are allowed
}

// hasKeysOf reports whether e and other have the same keys.
func (e *issuerEntry) hasKeysOf(other *issuerEntry) bool {
	return e.JWKS == other.JWKS && e.PublicKeyFile == other.PublicKeyFile && e.SecretFile == other.SecretFile &&
		slices.Equal(e.Algorithms, other.Algorithms)
}

// The default names of claims.
const (
	defaultUserClaim   = "sub"
	defaultTopicsClaim = "topics"
)

func defaultScopeClaims() []string { return []string{"scope", "scp"} }

func (e *issuerEntry) setDefaults() {
	if e.UserClaim == "" {
		e.UserClaim = defaultUserClaim
	}
	if len(e.ScopeClaims) == 0 {
		e.ScopeClaims = defaultScopeClaims()
	}
	if e.TopicsClaim == "" {
		e.TopicsClaim = defaultTopicsClaim
	}
	if e.UserPrefix != "" {
		e.hasPrefix = true
	}
	if e.UserPrefix == noPrefix {
		e.UserPrefix = ""
	}
}

// settingsEntry returns the entry of the issuer that the options describe. Its tokens may
// have all scopes and topics, because the operator controls this issuer.
func settingsEntry(o *Options) issuerEntry {
	e := issuerEntry{
		Issuer:      o.Issuer,
		Audiences:   []string{o.Audience},
		Clients:     o.Clients,
		UserClaim:   o.UserClaim,
		UserPrefix:  o.UserPrefix,
		ScopeClaims: o.ScopeClaims,
		ScopePrefix: o.ScopePrefix,
		TopicsClaim: o.TopicsClaim,
		allScopes:   true,
		anyTopic:    true,
	}
	e.setDefaults()
	return e
}

// terms are the rules for the claims of an issuer's tokens: their names, and the scopes and
// topics that they may grant.
type terms struct {
	entry issuerEntry

	user   claimRef
	scopes []claimRef
	topics claimRef
}

// newTerms returns the terms of e, or every mistake in it.
func newTerms(e issuerEntry) (*terms, error) {
	t, wrong := readTerms(e)
	var errs []error
	for _, m := range []struct {
		name string
		err  error
	}{
		{"user_claim", wrong.UserClaim},
		{"user_prefix", wrong.UserPrefix},
		{"scope_claims", wrong.ScopeClaims},
		{"topics_claim", wrong.TopicsClaim},
	} {
		if m.err != nil {
			errs = append(errs, fmt.Errorf("%s %w", m.name, m.err))
		}
	}
	return t, errors.Join(errs...)
}

// ClaimMistakes has the mistake in each setting of claims, nil if it has none.
type ClaimMistakes struct{ UserClaim, UserPrefix, ScopeClaims, TopicsClaim error }

// CheckClaims checks the names of claims in o, as New does.
func CheckClaims(o Options) ClaimMistakes {
	_, wrong := readTerms(settingsEntry(&o))
	return wrong
}

func readTerms(e issuerEntry) (t *terms, wrong ClaimMistakes) {
	t = &terms{entry: e}
	t.user, wrong.UserClaim = parseClaim(e.UserClaim)
	t.topics, wrong.TopicsClaim = parseClaim(e.TopicsClaim)
	for _, text := range e.ScopeClaims {
		ref, err := parseClaim(text)
		t.scopes = append(t.scopes, ref)
		wrong.ScopeClaims = errors.Join(wrong.ScopeClaims, err)
	}
	if wrong.UserClaim == nil && (t.user.isSameAs(&t.topics) || t.readsForScopes(&t.user)) {
		wrong.UserClaim = errors.New("names a claim that is read for scopes or topics")
	}
	if wrong.TopicsClaim == nil && t.readsForScopes(&t.topics) {
		wrong.TopicsClaim = errors.New("names a claim that is read for scopes")
	}
	wrong.UserPrefix = checkPrefix(e.UserPrefix)
	return t, wrong
}

func (t *terms) readsForScopes(r *claimRef) bool {
	return slices.ContainsFunc(t.scopes, func(s claimRef) bool { return r.isSameAs(&s) })
}

func checkPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	if _, err := notify.ParseUser(prefix + "x"); err != nil || len(prefix) > maxPrefixBytes {
		return fmt.Errorf("must have at most %d bytes of UTF-8 without white space or control characters", maxPrefixBytes)
	}
	return nil
}

// issuer returns the identity of the issuer, to which the principals of its tokens refer.
func (t *terms) issuer() *notify.Issuer {
	e := &t.entry
	sum := sha256.Sum256(fmt.Appendf(nil, "%#v", *e))
	i := &notify.Issuer{Name: e.Issuer, Version: [16]byte(sum[:])}
	if i.Name == "" {
		i.Name = notify.AnyIssuer
	}
	if e.UserPrefix != "" {
		i.Bound = &notify.Bound{Prefix: e.UserPrefix, Topics: e.Topics, AnyTopic: e.anyTopic}
	}
	return i
}

func (t *terms) givesScope(s notify.Scope) bool {
	return isScope(s) && (t.entry.allScopes || slices.Contains(t.entry.Scopes, s))
}

func (t *terms) givesTopic(p notify.TopicPattern) bool {
	return t.entry.anyTopic || slices.ContainsFunc(t.entry.Topics, func(bound notify.TopicPattern) bool { return bound.Covers(p) })
}

// overlap describes how the prefixes of two issuers overlap, so that one user could belong to
// both. It returns an empty string if they do not overlap, or if both are empty.
func overlap(a, b *issuerEntry) string {
	switch {
	case a.UserPrefix == "" && b.UserPrefix == "":
		return ""
	case a.UserPrefix == b.UserPrefix:
		return "is that of"
	case strings.HasPrefix(b.UserPrefix, a.UserPrefix):
		return "begins that of"
	case strings.HasPrefix(a.UserPrefix, b.UserPrefix):
		return "begins with that of"
	default:
		return ""
	}
}
