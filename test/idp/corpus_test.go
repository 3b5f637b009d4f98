package idp_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/idp"
)

// clock is a clock that the test moves.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ns.Store(time.Now().UnixNano())
	return c
}

func (c *clock) now() time.Time       { return time.Unix(0, c.ns.Load()) }
func (c *clock) pass(d time.Duration) { c.ns.Add(int64(d)) }

// window is the least time between two fetches for the sake of a token.
const window = 30 * time.Second

// verifier follows the key set of i.
func verifier(t *testing.T, i *idp.Issuer, c *clock) *auth.Verifier {
	t.Helper()
	v, err := auth.New(context.Background(), auth.Options{JWKS: i.JWKS(), Issuer: i.URL, Audience: "bellhop", Now: c.now})
	require.NoError(t, err)
	t.Cleanup(v.Close)
	return v
}

// tokenOf signs a token for ada. Each token has a jti of its own, so that none is cached.
func tokenOf(t *testing.T, i *idp.Issuer, k idp.Key, c *clock, more map[string]any) string {
	t.Helper()
	claims := map[string]any{"iss": i.URL, "aud": "bellhop", "sub": "ada", "exp": c.now().Add(time.Hour).Unix(), "jti": c.now().String()}
	maps.Copy(claims, more)
	return k.Token(t, claims)
}

// TestKeySetsOfProviders makes each provider rotate its keys: it publishes one key, then
// this key and the next one, then only the next one.
func TestKeySetsOfProviders(t *testing.T) {
	ring := idp.NewRing(t)
	for _, p := range idp.Providers(ring) {
		t.Run(p.Name, func(t *testing.T) {
			c := newClock()
			i := idp.New(t, p.Set(t, p.Keys[0]))
			v := verifier(t, i, c)
			verify := func(k idp.Key) error {
				_, err := v.Verify(t.Context(), tokenOf(t, i, k, c, nil))
				return err
			}
			require.NoError(t, verify(p.Keys[0]))
			for n, old := range p.Keys[:len(p.Keys)-1] {
				next := p.Keys[n+1]
				require.ErrorIs(t, verify(next), notify.ErrTokenInvalid, "it is not published yet")
				c.pass(window)
				i.Publish(p.Set(t, next, old))
				require.NoError(t, verify(next))
				require.NoError(t, verify(old), "both are published")

				i.Publish(p.Set(t, next))
				require.NoError(t, v.Reload(t.Context()))
				require.NoError(t, verify(next))
				require.ErrorIs(t, verify(old), notify.ErrTokenInvalid, "it is no longer published")
				c.pass(window)
			}
		})
	}
}

// TestAKeyOfAnotherProviderIsRefused signs with the kid of a published key and
// the key of another.
func TestAKeyOfAnotherProviderIsRefused(t *testing.T) {
	ring := idp.NewRing(t)
	for _, p := range idp.Providers(ring) {
		c := newClock()
		i := idp.New(t, p.Set(t, p.Keys[0]))
		v := verifier(t, i, c)
		forger := ring.RSA(3, p.Keys[0].KID)
		_, err := v.Verify(t.Context(), tokenOf(t, i, forger, c, nil))
		require.ErrorIs(t, err, notify.ErrTokenInvalid, p.Name)
		_, err = v.Verify(t.Context(), tokenOf(t, i, p.Keys[0], c, nil))
		require.NoError(t, err, p.Name)
	}
}

// TestAFailingIssuerKeepsItsKeys makes an issuer fail in each way and then recover with
// another key.
func TestAFailingIssuerKeepsItsKeys(t *testing.T) {
	ring := idp.NewRing(t)
	old, next := ring.RSA(0, "old"), ring.EC(0, "new")
	whole := idp.Set(old.JWK(nil), next.JWK(nil))
	single, err := json.Marshal(next.JWK(nil))
	require.NoError(t, err)
	elsewhere := idp.New(t, whole)
	for name, fail := range map[string]func(*idp.Issuer){
		"500":              func(i *idp.Issuer) { i.Fail(http.StatusInternalServerError) },
		"404":              func(i *idp.Issuer) { i.Fail(http.StatusNotFound) },
		"204":              func(i *idp.Issuer) { i.Fail(http.StatusNoContent) },
		"429":              func(i *idp.Issuer) { i.Fail(http.StatusTooManyRequests) },
		"a page with 200":  func(i *idp.Issuer) { i.ErrorPage(http.StatusOK) },
		"a page with 503":  func(i *idp.Issuer) { i.ErrorPage(http.StatusServiceUnavailable) },
		"cut off":          func(i *idp.Issuer) { i.Truncate(whole) },
		"huge":             func(i *idp.Issuer) { i.Huge(whole) },
		"a redirect":       func(i *idp.Issuer) { i.Redirect(elsewhere.JWKS()) },
		"an empty set":     func(i *idp.Issuer) { i.Publish(idp.Set[any]()) },
		"nothing usable":   func(i *idp.Issuer) { i.Publish(idp.Set(next.JWK(map[string]any{"use": "enc"}))) },
		"certificates":     func(i *idp.Issuer) { i.Publish(idp.CertificatesOfFirebase(t, old)) },
		"a single key":     func(i *idp.Issuer) { i.Publish(single) },
		"a whole set, cut": func(i *idp.Issuer) { i.Publish(whole[:len(whole)-2]) },
	} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			i := idp.New(t, idp.Set(old.JWK(nil)))
			v := verifier(t, i, c)
			fail(i)
			_, err := v.Verify(t.Context(), tokenOf(t, i, next, c, nil))
			require.ErrorIs(t, err, notify.ErrUnavailable, "the key may be one that cannot be fetched")
			_, err = v.Verify(t.Context(), tokenOf(t, i, old, c, nil))
			require.NoError(t, err)

			i.Publish(whole)
			c.pass(window)
			_, err = v.Verify(t.Context(), tokenOf(t, i, next, c, nil))
			require.NoError(t, err)
		})
	}
	require.Zero(t, elsewhere.Fetches())
}

// TestASlowIssuerDelaysNoKnownKey holds the issuer's answer back while tokens
// with known keys are verified.
func TestASlowIssuerDelaysNoKnownKey(t *testing.T) {
	ring := idp.NewRing(t)
	old, next := ring.RSA(0, "old"), ring.RSA(1, "new")
	c := newClock()
	i := idp.New(t, idp.Set(old.JWK(nil)))
	v := verifier(t, i, c)
	i.Publish(idp.Set(old.JWK(nil), next.JWK(nil)))
	asked, release := i.Hold(t)
	token := tokenOf(t, i, next, c, nil)
	done := make(chan error, 1)
	go func() {
		_, err := v.Verify(context.Background(), token)
		done <- err
	}()
	<-asked
	_, err := v.Verify(t.Context(), tokenOf(t, i, old, c, nil))
	require.NoError(t, err)
	release()
	require.NoError(t, <-done)
	require.Equal(t, 2, i.Fetches())
}
