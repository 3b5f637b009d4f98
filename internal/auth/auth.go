// Package auth verifies tokens, API keys and webhook signatures and returns their
// principals. It also finds the token in a request, and has the list of origins whose
// pages may call the service.
//
// A token is a signed JWT. [Verifier.Verify] accepts a token only if it is not too long,
// is strict JSON, has a valid signature by a key of its issuer with the one algorithm of
// that key, is of a configured issuer and audience, names a valid user, is within its
// lifetime, and is not revoked. The detail of an error contains nothing of a token, key or
// signature; its reason, for the log, names issuers, key IDs and the like.
//
// Packages service and hub decide what a principal may do, and when its connections end.
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

// Limits on tokens and keys. MaxTokenBytes is a default.
const (
	MaxTokenBytes  = 8 << 10
	MaxTopics      = 100                 // names and patterns in a token
	MaxLifetime    = 31 * 24 * time.Hour // from now to a token's exp
	MinSecretBytes = text.MinSecretBytes
	MinRSABits     = 2048 // RFC 7518, section 3.3
	MaxRSABits     = 8192 // bounds the time to verify a signature
)

// Any accepts every issuer or audience, and tokens without one.
const Any = "*"

// Options say which tokens are accepted. At least one kind of keys or an issuers file
// is required. Several may be set, for example while issuers change from one to another.
type Options struct {
	// Secrets verify HMAC signatures. Each has MinSecretBytes or more. A token signed
	// with any of them is accepted, so that secrets can be rotated.
	Secrets [][]byte

	// SecretsFile is the path of a file of more secrets, separated by commas or line
	// breaks. It is read again when it changes.
	SecretsFile string

	// PublicKeyFile is the path of a PEM file of public keys or certificates. Only the
	// key of a certificate is used. The file is read again when it changes.
	PublicKeyFile string

	// JWKS is the http or https URL of a JSON Web Key Set (RFC 7517), or the path of a
	// file with one. The file is read again when it changes. The URL is fetched every
	// five minutes, and when no key verifies a token, the latter at most once in 30
	// seconds. If reading fails, the last good keys stay in force. A key that cannot be
	// used, such as a symmetric one, is skipped with a warning, whatever the others are.
	JWKS string

	// Issuer and Audience must be equal to the claims of a token. Empty values are not
	// checked. Public keys require both, or Any, because an issuer also signs tokens for
	// other services.
	Issuer   string
	Audience string

	// Algorithms are the accepted signature algorithms; empty: all. A key has one
	// algorithm: that of its `alg`, else the first of this list that fits it, else HS256
	// for a secret, RS256 for an RSA key, and the algorithm of the curve for others.
	Algorithms []string

	// Clients are the clients that tokens may be issued to. A token must have at least
	// one of the claims azp, client_id and appid, and each of them must be in Clients.
	// Empty: any client.
	Clients []string

	// The names of claims. A name that begins with a slash is a JSON pointer (RFC 6901).
	UserClaim   string   // claim with the user; empty: sub
	UserPrefix  string   // prefix that is added to the user claim; "none": explicitly no prefix
	ScopeClaims []string // claims with scopes, all of which are read; empty: scope and scp
	ScopePrefix string   // prefix that is removed from scopes; scopes without it are ignored
	TopicsClaim string   // claim with topics; empty: topics

	// IssuersFile is the path of a YAML list of issuers with keys of their own, in
	// addition to the issuer of the options above, which then need no keys. A token whose
	// iss is in the file is verified only with the keys of that issuer, and any other
	// token by the options above. If there is more than one issuer, either each has a
	// user prefix, none of which is the beginning of another, or each says that it has
	// none, and they share their users. The file is read again when it changes: a new
	// issuer is accepted, and a removed one refused, within seconds. A file with a
	// mistake changes nothing.
	//
	//	- issuer: https://login.example.com
	//	  jwks: https://login.example.com/.well-known/jwks.json # or public_key_file, secret_file
	//	  algorithms: [RS256]     # optional, like everything below except audiences
	//	  audiences: [bellhop]    # a token must have one of them; * alone: any
	//	  clients: [spa-7]        # see Clients; required if audiences is *
	//	  user_claim: sub
	//	  user_prefix: "acme:"
	//	  scope_claims: [scope, scp]
	//	  scope_prefix: bell/
	//	  topics_claim: topics
	//	  scopes: [notify:publish] # the scopes that its tokens may have; absent: none
	//	  topics: ["acme.*"]       # the topics that its tokens may have, "*": all; absent: none with a user prefix, else all
	IssuersFile string

	// APIKeysFile is the path of a YAML list of API keys, as NewAPIKey writes them.
	// Verify accepts them like tokens. The file is read again when it changes: removed
	// keys are refused from then on. A file with a mistake changes nothing.
	//
	//	- name: billing           # the principal is key:billing
	//	  sha256: 9f86d0…
	//	  scopes: [notify:publish]
	APIKeysFile string

	// WebhooksFile is the path of a YAML list of webhooks, with the secrets that
	// VerifyWebhook accepts. A webhook may have several, so that they can be rotated; the
	// file has at most 32. It is read again when it changes. A file with a mistake
	// changes nothing.
	//
	//	- name: github            # the principal is webhook:github
	//	  secrets: [whsec_…]
	//	  scopes: [notify:publish]
	WebhooksFile string

	// Revoked reports whether the token of a principal was revoked. Verify calls it for
	// every token, concurrently, so it must be fast; nil: no token is revoked.
	Revoked func(notify.Principal) bool

	MaxBytes int // of a token; 0: MaxTokenBytes

	Logger *slog.Logger // nil: nothing is logged

	// Replaced in tests.
	Now       func() time.Time  // nil: time.Now
	Transport http.RoundTripper // fetches key sets; nil: similar to http.DefaultTransport

	version      *atomic.Uint64 // see Verifier
	withdrawals  *atomic.Uint64 // see Verifier.Withdrawals
	beforeChange func()         // called before a changed issuers file takes effect
}

// Verifier verifies tokens, API keys and signatures. Its methods may be called
// concurrently.
type Verifier struct {
	now      func() time.Time
	revoked  func(notify.Principal) bool
	maxBytes atomic.Int64 // Options.MaxBytes, until SetMaxBytes replaces it
	segments *jwt.Parser

	settings *issuer                           // the issuer of the options; nil: they have no keys
	issuers  *watch.Source[map[string]*issuer] // nil: there is no issuers file
	apiKeys  *watch.Source[[]apiKey]           // nil: there is no file of API keys
	webhooks *watch.Source[[]hook]             // nil: there is no file of webhooks
	version  *atomic.Uint64                    // incremented whenever any of these changes
	cache    tokenCache
	header   atomic.Pointer[knownHeader] // header of the last token
	ready    atomic.Bool                 // the keys of every issuer have been loaded once

	withdrawals *atomic.Uint64 // see Withdrawals

	stop    context.CancelFunc
	running sync.WaitGroup
}

// New reads the keys and returns a Verifier, or every mistake in o and in the files that
// o names. A JWKS URL that does not answer is no mistake: Verify has no keys of it until
// it answers. ctx limits New only; the Verifier follows changes of its keys until Close.
func New(ctx context.Context, o Options) (*Verifier, error) {
	o.setDefaults()
	v := &Verifier{
		now:      o.Now,
		revoked:  o.Revoked,
		segments: jwt.NewParser(jwt.WithStrictDecoding()),
		version:  o.version,

		withdrawals: o.withdrawals,
	}
	v.SetMaxBytes(o.MaxBytes)
	o.beforeChange = v.recordLoaded
	if err := errors.Join(o.check(), v.readSettings(ctx, &o), v.readFiles(ctx, &o)); err != nil {
		return nil, err
	}
	var keys []*keyring
	for _, i := range v.everyIssuer() {
		keys = append(keys, i.keyring)
	}
	fetch(ctx, keys)
	v.recordLoaded()
	v.follow(context.WithoutCancel(ctx))
	return v, nil
}

// SetMaxBytes replaces Options.MaxBytes, for tokens that are verified from then on.
func (v *Verifier) SetMaxBytes(n int) { v.maxBytes.Store(int64(cmp.Or(n, MaxTokenBytes))) }

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
	o.beforeChange = func() {}
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

// readSettings reads the keys of the issuer that the options describe, if any.
func (v *Verifier) readSettings(ctx context.Context, o *Options) error {
	if !o.hasKeys() {
		return nil
	}
	if o.Audience == Any && len(o.Clients) == 0 {
		o.Logger.Warn("tokens for any audience are accepted, also those that the issuer made for other services; set BELLHOP_JWT_AUDIENCE or BELLHOP_JWT_CLIENTS")
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

// everyIssuer returns the issuer of the settings and those of the issuers file.
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

// follow starts the goroutines that read keys and files again when they change. Close
// ends them.
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

// Close ends the goroutines that New started and waits for them. Verify continues to work
// with the last keys.
func (v *Verifier) Close() {
	v.stop()
	v.running.Wait() // now the set of issuers cannot change any more
	for _, i := range v.everyIssuer() {
		i.stopFollowing()
	}
}

// Verify returns the principal of token, a JWT or an API key, or an error of kind
// ErrTokenInvalid, ErrTokenExpired or ErrTokenRevoked. The kind is ErrUnavailable if no
// known key fits the token and the JWKS URL does not answer.
//
// The principal of a JWT expires at the exp of the token. The token is still accepted,
// and its connections may stay open, for notify.Leeway longer. The principal of an API
// key has no user and does not expire.
func (v *Verifier) Verify(ctx context.Context, token string) (notify.Principal, error) {
	p, err := v.principalOf(ctx, token)
	if err != nil {
		return p, err
	}
	if _, withdrawn := p.Issuer.Withdrawn(); withdrawn { // during the verification
		return notify.Principal{}, of(&p, invalidFor(notify.CauseIssuer, "the issuer of the token is no longer accepted", "those were the keys of %s", nameOf(p.Issuer)))
	}
	if v.revoked(p) {
		return notify.Principal{}, of(&p, notify.Errorf(notify.ErrTokenRevoked, "the token was revoked"))
	}
	return p, nil
}

func (v *Verifier) principalOf(ctx context.Context, token string) (notify.Principal, error) {
	if isAPIKey(token) {
		return v.verifyAPIKey(token)
	}
	if most := v.maxBytes.Load(); int64(len(token)) > most {
		return notify.Principal{}, invalid(fmt.Sprintf("the token has more than %d bytes", most))
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

// hashOf returns the hash of a token. A token of less than 1 KiB is not copied to the heap.
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
		return notify.Principal{}, i.explained(err, &t)
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

// invalid returns the error for a token that has not the form that is required.
func invalid(detail string) error {
	return &notify.Error{Kind: notify.ErrTokenInvalid, Cause: notify.CauseMalformed, Detail: detail}
}
