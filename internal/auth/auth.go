// Package auth turns a token, an API key or a webhook's signature into a
// principal, finds the token in a request, and holds the list of origins that
// browsers may call from.
//
// A token is a signed JWT. [Verifier.Verify] promises that the token of a
// principal was within 8 KiB, was read strictly, bears the signature of a
// key of its issuer made with that key's one algorithm, and is of a configured
// issuer and audience, for a valid user, in its time, and not revoked. The text
// of an error never holds a byte of a token, key or signature.
//
// What a principal may do, and when its connections end, is left to others.
package auth

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/text"
	"github.com/bellhop/bellhop/internal/watch"
)

// The bounds on tokens and keys; that on a token's size is the default.
const (
	MaxTokenBytes  = 8 << 10
	MaxTopics      = 100                 // in a token: a pattern stands for any number
	MaxLifetime    = 31 * 24 * time.Hour // from now to a token's exp
	MinSecretBytes = text.MinSecretBytes
	MinRSABits     = 2048 // RFC 7518, section 3.3
	MaxRSABits     = 8192 // so that a signature costs a bounded time
)

// Any as an issuer or audience accepts every one, and its absence.
const Any = "*"

// Options say which tokens to accept. At least one key or an issuers file is
// needed, and all may be set together, as they are while moving from one kind to
// another.
type Options struct {
	// Secrets are for HMAC, each of MinSecretBytes or more. A token signed with
	// any of them is accepted, so that they can rotate.
	Secrets [][]byte

	// SecretsFile is a file of more secrets, separated by commas or lines. It is
	// read again when it changes.
	SecretsFile string

	// PublicKeyFile is a PEM file of public keys or certificates, of which the
	// key alone counts. It is read again when it changes.
	PublicKeyFile string

	// JWKS is the http or https URL of a JSON Web Key Set, or the path of a
	// file with one. The file is read again when it changes, the URL every five
	// minutes and when no key verifies a token, for that reason once in thirty
	// seconds at most. The last good keys stay. Each key of a set is judged alone;
	// one that cannot be used, such as a symmetric one, is skipped with a warning.
	JWKS string

	// Issuer and Audience must be those of the token. Empty, they are not
	// checked, which is for secrets only: public keys need both, or Any. An
	// issuer signs for others too.
	Issuer   string
	Audience string

	// Algorithms narrows which are accepted; empty, all are. A key has one: that
	// of its `alg`, else the first of this list that fits it, else HS256 for a
	// secret, RS256 for an RSA key, and what the curve says for others.
	Algorithms []string

	// Clients are those that may have asked for a token: one of its claims azp,
	// client_id and appid must be there, and each that is there must be one of
	// Clients. Empty: any may have.
	Clients []string

	// How claims are read. A claim is named, or pointed to (RFC 6901) by what begins
	// with a slash.
	UserClaim   string   // that is the user; empty: sub
	UserPrefix  string   // added to the user claim; "none": no prefix, which must be explicit
	ScopeClaims []string // all of which are read; empty: scope and scp
	ScopePrefix string   // taken off scopes; those without it are ignored
	TopicsClaim string   // empty: topics

	// IssuersFile is a YAML list of issuers with their own keys, beside that of
	// the options above, which then need no keys. A token that names one of them
	// is verified with the keys of that one alone, any other as the options above
	// say. With more than one issuer each has a prefix, which no other's begins with,
	// or none has, and they share their users. The file is read again when it changes:
	// a new issuer is accepted, and one that is gone refused, within seconds. One with
	// a mistake changes nothing.
	//
	//	- issuer: https://login.example.com
	//	  jwks: https://login.example.com/.well-known/jwks.json # or public_key_file, secret_file
	//	  algorithms: [RS256]     # may be left out, as all that follows but audiences
	//	  audiences: [bellhop]    # one of them must be the token's; * alone: any
	//	  clients: [spa-7]        # see Clients; required if audiences is *
	//	  user_claim: sub
	//	  user_prefix: "acme:"
	//	  scope_claims: [scope, scp]
	//	  scope_prefix: bell/
	//	  topics_claim: topics
	//	  scopes: [notify:publish] # that its tokens may have; left out: none
	//	  topics: ["acme.*"]       # that they may hear, "*" for all; left out: none behind a prefix, else all
	IssuersFile string

	// APIKeysFile is a YAML list of API keys, as NewAPIKey writes it, which Verify
	// accepts as it does tokens. It is read again when it changes, and a key that
	// is gone is refused from then on. One with a mistake changes nothing.
	//
	//	- name: billing           # the principal is key:billing
	//	  sha256: 9f86d0…
	//	  scopes: [notify:publish]
	APIKeysFile string

	// WebhooksFile is a YAML list of those who sign what they publish, with the
	// secrets that VerifyWebhook accepts: several of each, so that they can
	// rotate, and 32 in all. It is read again when it changes. One with a mistake
	// changes nothing.
	//
	//	- name: github            # the principal is webhook:github
	//	  secrets: [whsec_…]
	//	  scopes: [notify:publish]
	WebhooksFile string

	// Revoked reports whether the token of a principal was revoked. Verify asks
	// it each time, so it must be quick and may be called concurrently. nil: none
	// ever is.
	Revoked func(notify.Principal) bool

	MaxBytes int // of a token; 0: MaxTokenBytes

	Logger *slog.Logger // nil: none

	// For tests.
	Now       func() time.Time  // nil: time.Now
	Transport http.RoundTripper // for the JWKS; nil: one like http.DefaultTransport

	version     *atomic.Uint64 // of all that is loaded
	withdrawals *atomic.Uint64
	changing    func() // called before other issuers take force
}

// Verifier verifies tokens, API keys and signatures. Its methods may be called
// concurrently.
type Verifier struct {
	now      func() time.Time
	revoked  func(notify.Principal) bool
	maxBytes int
	segments *jwt.Parser

	settings *issuer                           // that of the options; nil: they have no key
	issuers  *watch.Source[map[string]*issuer] // those of the issuers file; nil: there is none
	apiKeys  *watch.Source[[]apiKey]           // nil: none
	webhooks *watch.Source[[]hook]             // nil: none
	version  *atomic.Uint64                    // one more whenever any of them changes
	cache    tokenCache
	header   atomic.Pointer[knownHeader] // of the last token
	ready    atomic.Bool                 // the keys of every issuer have been loaded once

	withdrawals *atomic.Uint64 // see Withdrawals

	stop    context.CancelFunc
	running sync.WaitGroup
}

// New returns a Verifier after reading its keys, or every mistake in o. An
// unreachable JWKS URL is none: until it answers, Verify has no keys of it.
// ctx bounds New alone; the Verifier follows its keys until Close.
func New(ctx context.Context, o Options) (*Verifier, error) {
	o.setDefaults()
	v := &Verifier{
		now:      o.Now,
		revoked:  o.Revoked,
		maxBytes: cmp.Or(o.MaxBytes, MaxTokenBytes),
		segments: jwt.NewParser(jwt.WithStrictDecoding()),
		version:  o.version,

		withdrawals: o.withdrawals,
	}
	o.changing = v.settle
	if err := errors.Join(o.check(), v.readSettings(ctx, &o), v.readFiles(ctx, &o)); err != nil {
		return nil, err
	}
	var keys []*keyring
	for _, i := range v.everyIssuer() {
		keys = append(keys, i.keyring)
	}
	fetch(ctx, keys)
	v.settle()
	v.follow(context.WithoutCancel(ctx))
	return v, nil
}

func (o *Options) setDefaults() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Revoked == nil {
		o.Revoked = func(notify.Principal) bool { return false }
	}
	o.version, o.withdrawals = new(atomic.Uint64), new(atomic.Uint64)
	o.changing = func() {}
}

func (o *Options) hasKeys() bool {
	return len(o.Secrets) > 0 || o.SecretsFile != "" || o.PublicKeyFile != "" || o.JWKS != ""
}

func (o *Options) check() error {
	var errs []error
	if !o.hasKeys() && o.IssuersFile == "" {
		errs = append(errs, errors.New("no key to verify tokens with: set a secret, a public key file, a JWKS or an issuers file"))
	}
	if (o.PublicKeyFile != "" || o.JWKS != "") && (o.Issuer == "" || o.Audience == "") {
		errs = append(errs, errors.New("public keys need an issuer and an audience, or * for any"))
	}
	return errors.Join(append(errs, CheckAlgorithms(o.Algorithms))...)
}

// readSettings reads the keys of the one issuer that the options describe.
func (v *Verifier) readSettings(ctx context.Context, o *Options) error {
	if !o.hasKeys() {
		return nil
	}
	if o.Audience == Any && len(o.Clients) == 0 {
		o.Logger.Warn("tokens for any audience are accepted: the issuer's tokens for other services pass too; name an audience or clients")
	}
	keys, err := newKeyring(o)
	var termsErr error
	v.settings, termsErr = newIssuer(o, settingsEntry(o), keys)
	return errors.Join(err, termsErr, keys.start(ctx))
}

func (v *Verifier) readFiles(ctx context.Context, o *Options) error {
	var errs []error
	if o.IssuersFile != "" {
		v.issuers = issuersFile(o)
		errs = append(errs, v.issuers.Start(ctx))
		if v.settings == nil && len(v.issuers.Current()) == 0 {
			errs = append(errs, errors.New("no key to verify tokens with: the issuers file has no issuer"))
		}
	}
	if o.APIKeysFile != "" {
		v.apiKeys = apiKeysFile(o)
		errs = append(errs, v.apiKeys.Start(ctx))
	}
	if o.WebhooksFile != "" {
		v.webhooks = webhooksFile(o)
		errs = append(errs, v.webhooks.Start(ctx))
	}
	return errors.Join(errs...)
}

// everyIssuer returns those that are followed.
func (v *Verifier) everyIssuer() []*issuer {
	var all []*issuer
	if v.settings != nil {
		all = append(all, v.settings)
	}
	if v.issuers != nil {
		all = slices.AppendSeq(all, maps.Values(v.issuers.Current()))
	}
	return all
}

// follow lets all be read again when it changes, until Close.
func (v *Verifier) follow(ctx context.Context) {
	ctx, v.stop = context.WithCancel(ctx)
	for _, i := range v.everyIssuer() {
		i.follow(ctx)
	}
	if v.issuers != nil {
		v.running.Go(func() { v.issuers.Run(ctx) })
	}
	if v.apiKeys != nil {
		v.running.Go(func() { v.apiKeys.Run(ctx) })
	}
	if v.webhooks != nil {
		v.running.Go(func() { v.webhooks.Run(ctx) })
	}
}

// Close stops following the keys and waits until nothing that New started is
// left. Verify goes on with the keys that it has.
func (v *Verifier) Close() {
	v.stop()
	v.running.Wait() // from then on no issuer comes or goes
	for _, i := range v.everyIssuer() {
		i.leave()
	}
}

// Verify returns the principal of token, a JWT or an API key, or an error of
// kind ErrTokenInvalid, ErrTokenExpired, ErrTokenRevoked, or ErrUnavailable if
// the token's key is unknown while the JWKS URL does not answer. The principal
// of a JWT expires at the token's exp; for notify.Leeway after it the token is still
// accepted, and a connection with it may stay. That of an API key has no user
// and does not expire.
func (v *Verifier) Verify(ctx context.Context, token string) (notify.Principal, error) {
	p, err := v.principalOf(ctx, token)
	if err != nil {
		return p, err
	}
	if _, withdrawn := p.Issuer.Withdrawn(); withdrawn { // while it was verified
		return notify.Principal{}, invalid("the token's issuer is not accepted any more")
	}
	if v.revoked(p) {
		return notify.Principal{}, &notify.Error{Kind: notify.ErrTokenRevoked, Detail: "the token was revoked"}
	}
	return p, nil
}

func (v *Verifier) principalOf(ctx context.Context, token string) (notify.Principal, error) {
	if isAPIKey(token) {
		return v.verifyAPIKey(token)
	}
	if len(token) > v.maxBytes {
		return notify.Principal{}, invalid(fmt.Sprintf("the token has more than %d bytes", v.maxBytes))
	}
	hash, keys := hashOf(token), v.version.Load()
	if p, ok := v.cache.get(hash, keys, v.now()); ok {
		return p, nil
	}
	p, err := v.verify(ctx, token)
	if err == nil {
		v.cache.put(hash, keys, p)
	}
	return p, err
}

// hashOf hashes a token; one of common length is not copied to the heap for it.
func hashOf(token string) [sha256.Size]byte {
	var buf [1 << 10]byte
	return sha256.Sum256(append(buf[:0], token...))
}

func (v *Verifier) verify(ctx context.Context, token string) (notify.Principal, error) {
	t, err := v.split(token)
	if err != nil {
		return notify.Principal{}, err
	}
	i, err := v.issuerOf(&t)
	if err != nil {
		return notify.Principal{}, err
	}
	if err := i.verifySignature(ctx, &t); err != nil {
		return notify.Principal{}, err
	}
	c, err := readClaims(t.payload, i.terms)
	if err != nil {
		return notify.Principal{}, err
	}
	if err := i.validate(&c); err != nil {
		return notify.Principal{}, err
	}
	return c.principal(i.identity), nil
}

func invalid(detail string) error {
	return &notify.Error{Kind: notify.ErrTokenInvalid, Detail: detail}
}
