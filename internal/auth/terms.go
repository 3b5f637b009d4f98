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

// noPrefix as a user prefix says that users have none.
const noPrefix = "none"

// maxPrefixBytes leaves most of a user to the claim.
const maxPrefixBytes = 128

// issuerEntry is an issuer as it is configured: an item of the issuers file, or the
// settings.
type issuerEntry struct {
	Issuer        string   `yaml:"issuer"`
	JWKS          string   `yaml:"jwks,omitempty"`
	PublicKeyFile string   `yaml:"public_key_file,omitempty"`
	SecretFile    string   `yaml:"secret_file,omitempty"`
	Algorithms    []string `yaml:"algorithms,omitempty"`

	Audiences strict.TextsOrAny `yaml:"audiences"`         // one of them must be the token's; Any alone, or none: any
	Clients   []string          `yaml:"clients,omitempty"` // one of them must have requested the token; none: any

	UserClaim   string   `yaml:"user_claim,omitempty"`
	UserPrefix  string   `yaml:"user_prefix,omitempty" empty:"allowed"`
	ScopeClaims []string `yaml:"scope_claims,omitempty"`
	ScopePrefix string   `yaml:"scope_prefix,omitempty"`
	TopicsClaim string   `yaml:"topics_claim,omitempty"`

	Scopes []notify.Scope        `yaml:"scopes,omitempty" empty:"allowed"` // that its tokens may have
	Topics []notify.TopicPattern `yaml:"topics,omitempty" empty:"allowed"` // that its tokens may subscribe to

	hasPrefix bool // UserPrefix is configured, even if it is empty
	allScopes bool // instead of Scopes
	anyTopic  bool // instead of Topics
}

// hasKeysOf reports whether e and other say the same of the keys.
func (e *issuerEntry) hasKeysOf(other *issuerEntry) bool {
	return e.JWKS == other.JWKS && e.PublicKeyFile == other.PublicKeyFile && e.SecretFile == other.SecretFile &&
		slices.Equal(e.Algorithms, other.Algorithms)
}

// The claims that are read where no others are configured.
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

// settingsEntry returns the issuer that the options describe. It may give all
// scopes and topics: the settings are the operator's own.
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

// terms are how the claims of an issuer's tokens are read, and what they may give.
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

// ClaimMistakes are what is wrong with how claims are to be read, nil where nothing
// is.
type ClaimMistakes struct{ UserClaim, UserPrefix, ScopeClaims, TopicsClaim error }

// CheckClaims looks at the claims that o names, as New would.
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

// issuer returns what principals of the issuer's tokens point to.
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

// overlap says why the prefixes of two issuers cannot be told apart, empty if they
// can or if both have none.
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
