package auth

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/watch"
)

// issuer is an issuer of tokens: its keys, which verify only its own tokens, and the rules
// for its claims.
type issuer struct {
	terms     *terms
	identity  *notify.Issuer // the principals of its tokens refer to it
	now       func() time.Time
	validator *jwt.Validator
	*keyring
}

// keyring has the keys of an issuer. If the entry of the issuer changes and its keys do not,
// the new issuer keeps the keyring, because its key set may be unreachable at that moment.
type keyring struct {
	secrets atomic.Pointer[secrets] // those of the settings
	sources []*watch.Source[[]key]  // of secrets and public keys
	remote  *watch.Source[[]key]    // the one of sources that is a URL, nil if none is

	stop    context.CancelFunc
	running sync.WaitGroup
}

// secrets are keys that are in the settings themselves.
type secrets struct {
	keys  []key
	since time.Time // of the start, or of the reload that has changed them
}

// newKeyring returns the keyring that o describes, or every mistake in o. Files and URLs are
// not read yet.
func newKeyring(o *Options) (*keyring, error) {
	k := &keyring{}
	return k, errors.Join(k.addSecrets(o), k.addSources(o))
}

// newIssuer returns the issuer that e describes, or every mistake in it.
func newIssuer(o *Options, e issuerEntry, keys *keyring) (*issuer, error) {
	t, err := newTerms(e)
	i := &issuer{
		keyring:  keys,
		terms:    t,
		identity: t.issuer(),
		now:      o.Now,
		validator: jwt.NewValidator(
			jwt.WithTimeFunc(o.Now), jwt.WithLeeway(notify.Leeway), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
			expect([]string{e.Issuer}, func(want ...string) jwt.ParserOption { return jwt.WithIssuer(want[0]) }),
			expect(e.Audiences, jwt.WithAudience),
		),
	}
	return i, err
}

// expect returns the option that requires one of want. The option does nothing if want is
// empty or Any.
func expect(want []string, option func(...string) jwt.ParserOption) jwt.ParserOption {
	if len(want) == 0 || want[0] == "" || want[0] == Any {
		return func(*jwt.Parser) {}
	}
	return option(want...)
}

func (k *keyring) addSecrets(o *Options) error {
	var keys []key
	var errs []error
	for n, secret := range o.Secrets {
		one, err := newKey("", secret, "", o.Algorithms)
		if err != nil {
			errs = append(errs, fmt.Errorf("secret %d: %w", n+1, err)) // by its number, since it must not be shown
			continue
		}
		keys = append(keys, one)
	}
	k.secrets.Store(&secrets{keys, o.Now()})
	return errors.Join(errs...)
}

func (k *keyring) addSources(o *Options) error {
	if o.SecretsFile != "" {
		k.sources = append(k.sources, secretFile(o))
	}
	if o.PublicKeyFile != "" {
		k.sources = append(k.sources, pemFile(o))
	}
	switch {
	case o.JWKS == "":
	case isURL(o.JWKS):
		s, err := jwksURL(o)
		if err != nil {
			return err
		}
		k.remote = s
		k.sources = append(k.sources, s)
	default:
		k.sources = append(k.sources, jwksFile(o))
	}
	return nil
}

// start reads the files of keys. An error means that one of them cannot be used.
func (k *keyring) start(ctx context.Context) error {
	var errs []error
	for _, s := range k.sources {
		if s != k.remote {
			errs = append(errs, s.Start(ctx))
		}
	}
	return errors.Join(errs...)
}

// fetch fetches the JWKS URLs of all keyrings for the first time, concurrently. A keyring
// whose URL does not answer has no keys until it does.
func fetch(ctx context.Context, all []*keyring) {
	var fetches sync.WaitGroup
	for _, k := range all {
		if k.remote != nil {
			fetches.Go(func() { k.remote.Try(ctx) })
		}
	}
	fetches.Wait()
}

// follow starts the goroutines that read the keys again when they change. They end when ctx
// ends or stopFollowing is called.
func (k *keyring) follow(ctx context.Context) {
	ctx, k.stop = context.WithCancel(ctx)
	for _, s := range k.sources {
		k.running.Go(func() { s.Run(ctx) })
	}
}

// stopFollowing ends the goroutines of follow and waits for them. The keys stay in force.
func (k *keyring) stopFollowing() {
	k.stop()
	k.running.Wait()
}

// verifySignature verifies the signature of t with every key that fits it. If none succeeds,
// the keys of the issuer are fetched again, since an issuer may have replaced a key under
// the same kid.
func (k *keyring) verifySignature(ctx context.Context, t *token) error {
	fits, ok := k.try(t)
	if !ok && k.mayBeNew(t) {
		err := k.remote.Ask(ctx)
		if errors.Is(err, watch.ErrBusy) || err != nil && !anyFits(k.remote.Current(), t) {
			return &notify.Error{Kind: notify.ErrUnavailable, Cause: notify.CauseKeys, Detail: "the keys of the token's issuer cannot be fetched", Reason: err.Error()}
		}
		fits, ok = k.try(t)
	}
	switch {
	case ok:
		return nil
	case fits:
		return notify.TokenInvalid(notify.CauseSignature, "the token's signature does not match")
	default:
		return notify.TokenInvalid(notify.CauseKey, "the token's kid or alg does not fit any configured key of its issuer")
	}
}

// try reports whether any key fits t, and whether one has verified the signature.
func (k *keyring) try(t *token) (fits, ok bool) {
	fits, ok = verifyWith(k.secrets.Load().keys, t)
	for _, s := range k.sources {
		if ok {
			break
		}
		var f bool
		f, ok = verifyWith(s.Current(), t)
		fits = fits || f
	}
	return fits, ok
}

// mayBeNew reports whether t may be signed with a key that the issuer has published since
// the last fetch. Shared secrets are never published.
func (k *keyring) mayBeNew(t *token) bool { return k.remote != nil && !isHMAC(t.alg) }

// validate checks the claims against the time and the configuration. If a token is both
// invalid and expired, the error says invalid, because a new token of the same form would be
// refused too.
//
// The lifetime is limited from the iat as well as from now. Therefore a revocation of all
// tokens issued before a time can be forgotten MaxLifetime after that time: every token that
// it refers to has expired.
func (i *issuer) validate(c *claims) error {
	err := i.check(c)
	if err == nil {
		return nil
	}
	p := c.principal(i.identity) // its signature was verified
	return of(&p, err)
}

// check is validate without the user in the error.
func (i *issuer) check(c *claims) error {
	switch {
	case c.ExpiresAt.After(i.now().Add(MaxLifetime + notify.Leeway)):
		return invalidFor(notify.CauseTime, "the token's exp is more than 31 days ahead", "%s ahead", -i.since(c.ExpiresAt.Time))
	case c.IssuedAt != nil && c.ExpiresAt.Sub(c.IssuedAt.Time) > MaxLifetime+notify.Leeway:
		return invalidFor(notify.CauseTime, "the token's exp is more than 31 days after its iat", "%s after it", c.ExpiresAt.Sub(c.IssuedAt.Time))
	case len(i.terms.entry.Clients) > 0 && !c.isFromClient(i.terms.entry.Clients):
		return invalidFor(notify.CauseClient, "the token was issued to another client: its azp, client_id or appid is not among the configured clients",
			"its clients are %s", shownList(c.clients))
	}
	err := i.validator.Validate(c.RegisteredClaims)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return invalidFor(notify.CauseIssuer, "the issuer (iss) of the token is not accepted here", "its iss is %s", shown(c.Issuer))
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return invalidFor(notify.CauseAudience, "the audience (aud) of the token is not accepted here", "its aud is %s", shownList(c.Audience))
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return invalidFor(notify.CauseMalformed, "the token has no iss or no aud, and both are required here", "its iss is %s, its aud is %s", shown(c.Issuer), shownList(c.Audience))
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return invalidFor(notify.CauseTime, "the token's nbf is in the future", "%s ahead", -i.since(c.NotBefore.Time))
	case errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return invalidFor(notify.CauseTime, "the token's iat is in the future", "%s ahead", -i.since(c.IssuedAt.Time))
	case errors.Is(err, jwt.ErrTokenExpired):
		return &notify.Error{
			Kind: notify.ErrTokenExpired, Detail: "the token's exp has passed",
			Reason: fmt.Sprintf("%s ago", i.since(c.ExpiresAt.Time)),
		}
	default:
		return invalidFor(notify.CauseMalformed, "the token's claims are not valid", "%v", err)
	}
}
