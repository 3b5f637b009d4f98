package auth

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bellhop/bellhop/internal/notify"
)

// noPrefix as a user prefix says that users have none.
const noPrefix = "none"

// maxPrefixBytes leaves most of a user to the claim.
const maxPrefixBytes = 128

// issuerEntry is an issuer as it is configured, in the issuers file or by the
// settings.
type issuerEntry struct {
	issuer        string
	jwks          string
	publicKeyFile string
	secretFile    string
	algorithms    []string

	audiences []string // one of them must be the token's; Any alone, or none: any
	clients   []string // one of them must have asked for the token; none: any

	userClaim   string
	userPrefix  string
	hasPrefix   bool // userPrefix was said, be it empty
	scopeClaims []string
	scopePrefix string
	topicsClaim string

	scopes    []notify.Scope // that its tokens may have
	allScopes bool
	topics    []notify.TopicPattern // that its tokens may hear
	anyTopic  bool                  // instead of topics
}

// hasKeysOf reports whether e and other say the same of the keys.
func (e *issuerEntry) hasKeysOf(other *issuerEntry) bool {
	return e.jwks == other.jwks && e.publicKeyFile == other.publicKeyFile && e.secretFile == other.secretFile &&
		slices.Equal(e.algorithms, other.algorithms)
}

// The claims that are read where no others are configured.
const (
	defaultUserClaim   = "sub"
	defaultTopicsClaim = "topics"
)

func defaultScopeClaims() []string { return []string{"scope", "scp"} }

func (e *issuerEntry) setDefaults() {
	if e.userClaim == "" {
		e.userClaim = defaultUserClaim
	}
	if len(e.scopeClaims) == 0 {
		e.scopeClaims = defaultScopeClaims()
	}
	if e.topicsClaim == "" {
		e.topicsClaim = defaultTopicsClaim
	}
	if e.userPrefix != "" {
		e.hasPrefix = true
	}
	if e.userPrefix == noPrefix {
		e.userPrefix = ""
	}
}

// settingsEntry returns the issuer that the options describe. It may give all
// scopes and topics: the settings are the operator's own.
func settingsEntry(o *Options) issuerEntry {
	e := issuerEntry{
		issuer:      o.Issuer,
		audiences:   []string{o.Audience},
		clients:     o.Clients,
		userClaim:   o.UserClaim,
		userPrefix:  o.UserPrefix,
		scopeClaims: o.ScopeClaims,
		scopePrefix: o.ScopePrefix,
		topicsClaim: o.TopicsClaim,
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
	t.user, wrong.UserClaim = parseClaim(e.userClaim)
	t.topics, wrong.TopicsClaim = parseClaim(e.topicsClaim)
	for _, text := range e.scopeClaims {
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
	wrong.UserPrefix = checkPrefix(e.userPrefix)
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
	i := &notify.Issuer{Name: e.issuer, Version: [16]byte(sum[:])}
	if i.Name == "" {
		i.Name = notify.AnyIssuer
	}
	if e.userPrefix != "" {
		i.Bound = &notify.Bound{Prefix: e.userPrefix, Topics: e.topics, AnyTopic: e.anyTopic}
	}
	return i
}

func (t *terms) givesScope(s notify.Scope) bool {
	return isScope(s) && (t.entry.allScopes || slices.Contains(t.entry.scopes, s))
}

func (t *terms) givesTopic(p notify.TopicPattern) bool {
	return t.entry.anyTopic || slices.ContainsFunc(t.entry.topics, func(bound notify.TopicPattern) bool { return bound.Covers(p) })
}

// overlap says why the prefixes of two issuers cannot be told apart, empty if they
// can or if both have none.
func overlap(a, b *issuerEntry) string {
	switch {
	case a.userPrefix == "" && b.userPrefix == "":
		return ""
	case a.userPrefix == b.userPrefix:
		return "is that of"
	case strings.HasPrefix(b.userPrefix, a.userPrefix):
		return "begins that of"
	case strings.HasPrefix(a.userPrefix, b.userPrefix):
		return "begins with that of"
	default:
		return ""
	}
}
