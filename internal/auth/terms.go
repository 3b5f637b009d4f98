package auth

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bellhop/bellhop/internal/notify"
)

// NoPrefix as a user prefix says that users have none.
const NoPrefix = "none"

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

	scopes     []notify.Scope // that its tokens may have
	allScopes  bool
	topics     []notify.TopicPattern // that its tokens may hear
	withTopics bool                  // topics was said; otherwise all, but none for an issuer of the file with a prefix
	fromFile   bool
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
	if e.userPrefix == NoPrefix {
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
	t := &terms{entry: e}
	var errs []error
	parse := func(what, text string) claimRef {
		ref, err := parseClaim(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s %w", what, err))
		}
		return ref
	}
	t.user = parse("user_claim", e.userClaim)
	t.topics = parse("topics_claim", e.topicsClaim)
	for _, text := range e.scopeClaims {
		t.scopes = append(t.scopes, parse("scope_claims", text))
	}
	if e.userClaim == e.topicsClaim || slices.Contains(e.scopeClaims, e.userClaim) || slices.Contains(e.scopeClaims, e.topicsClaim) {
		errs = append(errs, errors.New("user_claim, scope_claims and topics_claim must be different claims"))
	}
	return t, errors.Join(append(errs, checkPrefix(e.userPrefix))...)
}

func checkPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	if _, err := notify.ParseUser(prefix + "x"); err != nil || len(prefix) > maxPrefixBytes {
		return fmt.Errorf("user_prefix must have at most %d bytes of UTF-8 without white space or control characters", maxPrefixBytes)
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
		i.Bound = &notify.Bound{Prefix: e.userPrefix, Topics: e.topics}
		if t.allTopics() {
			i.Bound.Topics = nil
			i.Bound.AnyTopic = true
		}
	}
	return i
}

// allTopics reports whether the issuer's tokens may hear every topic. Issuers of
// the file that do not share their users do not share topics either, unless both
// name them.
func (t *terms) allTopics() bool {
	e := &t.entry
	return !e.withTopics && (!e.fromFile || e.userPrefix == "")
}

func (t *terms) givesScope(s notify.Scope) bool {
	return isScope(s) && (t.entry.allScopes || slices.Contains(t.entry.scopes, s))
}

func (t *terms) givesTopic(p notify.TopicPattern) bool {
	return t.allTopics() || slices.ContainsFunc(t.entry.topics, func(bound notify.TopicPattern) bool { return bound.Covers(p) })
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
