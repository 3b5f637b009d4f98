// Package auth turns a token into a principal, finds the token in a request,
// and holds the list of origins that browsers may call from.
//
// A token is a signed JWT. [Verifier.Verify] promises that the token of a
// principal was within 8 KiB, was read strictly, bears the signature of a
// configured key made with that key's one algorithm, and is of the configured
// issuer and audience, for a valid user, and in its time. The text of an error
// never holds a byte of the token.
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
	"net/http"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/bellhop/bellhop/internal/notify"
)

// The bounds on tokens and keys; that on a token's size is the default.
const (
	MaxTokenBytes  = 8 << 10
	MaxLifetime    = 31 * 24 * time.Hour // from now to a token's exp
	Leeway         = 30 * time.Second    // between the clock here and the issuer's
	MinSecretBytes = 32                  // RFC 7518, section 3.2
	MinRSABits     = 2048                // RFC 7518, section 3.3
)

// Any as an issuer or audience accepts every one, and its absence.
const Any = "*"

// Options say which tokens to accept. At least one key is needed, and all may
// be set together, as they are while moving from one kind to another.
type Options struct {
	// Secrets are for HMAC, each of MinSecretBytes or more. A token signed with
	// any of them is accepted, so that they can rotate.
	Secrets [][]byte

	// PublicKeyFile is a PEM file of public keys or certificates, of which the
	// key alone counts. It is read again when it changes.
	PublicKeyFile string

	// JWKS is the http or https URL of a JSON Web Key Set, or the path of a
	// file with one. The file is read again when it changes, the URL every five
	// minutes and when a token names an unknown key, for that reason once in
	// thirty seconds at most. The last good keys stay. Symmetric keys in it are
	// ignored: what is published is no secret.
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

	MaxBytes int // of a token; 0: MaxTokenBytes

	Logger *slog.Logger // nil: none

	// For tests.
	Now       func() time.Time  // nil: time.Now
	Transport http.RoundTripper // for the JWKS; nil: one like http.DefaultTransport
}

// Verifier verifies tokens. Its methods may be called concurrently.
type Verifier struct {
	now       func() time.Time
	maxBytes  int
	segments  *jwt.Parser
	validator *jwt.Validator

	secrets []key
	sources []*source // of public keys
	remote  *source   // that of sources to ask for unknown keys, or nil
	cache   cache

	stop    context.CancelFunc
	running sync.WaitGroup
}

// New returns a Verifier after reading its keys, or every mistake in o. An
// unreachable JWKS URL is none: until it answers, Verify has no keys of it.
// ctx bounds New alone; the Verifier follows its keys until Close.
func New(ctx context.Context, o Options) (*Verifier, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	v := &Verifier{
		now:      o.Now,
		maxBytes: cmp.Or(o.MaxBytes, MaxTokenBytes),
		segments: jwt.NewParser(jwt.WithStrictDecoding()),
		validator: jwt.NewValidator(
			jwt.WithTimeFunc(o.Now), jwt.WithLeeway(Leeway), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
			expect(o.Issuer, jwt.WithIssuer),
			expect(o.Audience, func(s string) jwt.ParserOption { return jwt.WithAudience(s) }),
		),
	}
	mistakes := []error{o.check(), v.addSecrets(o), v.addSources(o)}
	for _, s := range v.sources {
		if s != v.remote {
			mistakes = append(mistakes, s.start(ctx))
		}
	}
	if err := errors.Join(mistakes...); err != nil {
		return nil, err
	}
	if v.remote != nil {
		v.remote.refresh(ctx)
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	v.stop = stop
	for _, s := range v.sources {
		v.running.Go(func() { s.run(running) })
	}
	return v, nil
}

// expect returns the option that has want checked, or one that does nothing.
func expect(want string, option func(string) jwt.ParserOption) jwt.ParserOption {
	if want == "" || want == Any {
		return func(*jwt.Parser) {}
	}
	return option(want)
}

func (o *Options) check() error {
	var errs []error
	if len(o.Secrets) == 0 && o.PublicKeyFile == "" && o.JWKS == "" {
		errs = append(errs, errors.New("no key to verify tokens with: set a secret, a public key file or a JWKS"))
	}
	if (o.PublicKeyFile != "" || o.JWKS != "") && (o.Issuer == "" || o.Audience == "") {
		errs = append(errs, errors.New("public keys need an issuer and an audience, or * for any"))
	}
	return errors.Join(append(errs, checkAlgorithms(o.Algorithms))...)
}

func (v *Verifier) addSecrets(o Options) error {
	var errs []error
	for i, secret := range o.Secrets {
		k, err := newKey("", secret, "", o.Algorithms)
		if err != nil {
			errs = append(errs, fmt.Errorf("secret %d: %w", i+1, err)) // by its place, for it must not be shown
			continue
		}
		v.secrets = append(v.secrets, k)
	}
	return errors.Join(errs...)
}

func (v *Verifier) addSources(o Options) error {
	if o.PublicKeyFile != "" {
		v.sources = append(v.sources, pemFile(o))
	}
	switch {
	case o.JWKS == "":
	case isURL(o.JWKS):
		s, err := jwksURL(o)
		if err != nil {
			return err
		}
		v.remote = s
		v.sources = append(v.sources, s)
	default:
		v.sources = append(v.sources, jwksFile(o))
	}
	return nil
}

// Close stops following the keys and waits until nothing that New started is
// left. Verify goes on with the keys that it has.
func (v *Verifier) Close() {
	v.stop()
	v.running.Wait()
}

// Verify returns the principal of token, or an error of kind ErrTokenInvalid,
// ErrTokenExpired, or ErrUnavailable if the token's key is unknown while the
// JWKS URL does not answer. The principal expires at the token's exp; for Leeway
// after it the token is still accepted, and a connection with it may stay.
func (v *Verifier) Verify(ctx context.Context, token string) (notify.Principal, error) {
	if len(token) > v.maxBytes {
		return notify.Principal{}, invalid(fmt.Sprintf("the token has more than %d bytes", v.maxBytes))
	}
	hash, keys := sha256.Sum256([]byte(token)), v.keysVersion()
	if p, ok := v.cache.get(hash, keys, v.now()); ok {
		return p, nil
	}
	p, err := v.verify(ctx, token)
	if err == nil {
		v.cache.put(hash, keys, p)
	}
	return p, err
}

// keysVersion changes whenever a key does.
func (v *Verifier) keysVersion() uint64 {
	var version uint64
	for _, s := range v.sources {
		version += s.version.Load()
	}
	return version
}

func (v *Verifier) verify(ctx context.Context, token string) (notify.Principal, error) {
	t, err := v.split(token)
	if err != nil {
		return notify.Principal{}, err
	}
	if err := v.verifySignature(ctx, &t); err != nil {
		return notify.Principal{}, err
	}
	c, err := readClaims(t.payload)
	if err != nil {
		return notify.Principal{}, err
	}
	if err := v.validate(&c); err != nil {
		return notify.Principal{}, err
	}
	return c.principal(), nil
}

// verifySignature checks that of t with every key that fits it, having the
// issuer asked for new keys if it has published none that does.
func (v *Verifier) verifySignature(ctx context.Context, t *token) error {
	fits, ok := v.try(t)
	if !ok && v.mayBeNew(t) {
		if err := v.remote.lookAgain(ctx); err != nil && !anyFits(v.remote.current(), t) {
			return notify.Errorf(notify.ErrUnavailable, "the keys of the token's issuer cannot be fetched")
		}
		fits, ok = v.try(t)
	}
	switch {
	case ok:
		return nil
	case fits:
		return invalid("the token's signature does not match")
	default:
		return invalid("the token's key or algorithm is not one that is accepted here")
	}
}

// try reports whether there is a key that fits t and whether one verified it.
func (v *Verifier) try(t *token) (fits, ok bool) {
	fits, ok = verifyWith(v.secrets, t)
	for _, s := range v.sources {
		if ok {
			break
		}
		var f bool
		f, ok = verifyWith(s.current(), t)
		fits = fits || f
	}
	return fits, ok
}

// mayBeNew reports whether t may have been signed with a key that the issuer
// has published since it was last asked: one that names no key fits any.
func (v *Verifier) mayBeNew(t *token) bool {
	return v.remote != nil && !isHMAC(t.alg) && (t.kid == "" || !anyFits(v.remote.current(), t))
}

func invalid(detail string) error {
	return &notify.Error{Kind: notify.ErrTokenInvalid, Detail: detail}
}
