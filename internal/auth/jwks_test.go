package auth_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

func TestJWKSRotates(t *testing.T) {
	k := keys(t)
	i := newIssuer(t, set(t, jwk(t, k.ec256, "kid", "old")))
	c := newClock()
	o := anyone()
	o.JWKS, o.Now = i.URL, c.now
	v := start(t, o)
	require.EqualValues(t, 1, i.fetches.Load())

	_, err := v.Verify(t.Context(), sign(t, "ES256", "old", k.ec256))
	require.NoError(t, err)
	require.EqualValues(t, 1, i.fetches.Load(), "a known key needs no fetch")

	i.serve(set(t, jwk(t, k.ec384, "kid", "new")))
	_, err = v.Verify(t.Context(), sign(t, "ES384", "new", k.ec384))
	require.NoError(t, err, "a new key is found immediately")
	require.EqualValues(t, 2, i.fetches.Load())

	old := sign(t, "ES256", "old", k.ec256)
	_, err = v.Verify(t.Context(), old)
	requireKind(t, notify.ErrTokenInvalid, err, old)
	require.EqualValues(t, 2, i.fetches.Load())

	c.pass(31 * time.Second)
	i.serve(set(t, jwk(t, k.ec256, "kid", "old"), jwk(t, k.ec384, "kid", "new")))
	_, err = v.Verify(t.Context(), old)
	require.NoError(t, err)
}

func TestUnknownKeysCauseOneFetchPerWindow(t *testing.T) {
	k := keys(t)
	i := newIssuer(t, set(t, jwk(t, k.ec256, "kid", "known")))
	c := newClock()
	o := anyone()
	o.JWKS, o.Now, o.Secrets = i.URL, c.now, [][]byte{secret()}
	v := start(t, o)

	flood := func() {
		var wg sync.WaitGroup
		for n := range 100 {
			token := sign(t, "ES256", fmt.Sprint("unknown-", n), k.ec256)
			wg.Go(func() {
				_, err := v.Verify(context.Background(), token)
				requireKindSafely(t, notify.ErrTokenInvalid, err)
			})
		}
		wg.Wait()
	}
	for window := range int32(3) {
		flood()
		c.pass(29 * time.Second)
		flood()
		require.Equal(t, 2+window, i.fetches.Load(), "the first fetch, and one a window")
		c.pass(time.Second)
	}

	token := sign(t, "HS256", "unknown", bytes.Repeat([]byte("x"), 32))
	_, err := v.Verify(t.Context(), token)
	requireKind(t, notify.ErrTokenInvalid, err, token)
	require.EqualValues(t, 4, i.fetches.Load(), "no secret is published")
}

// requireKindSafely may be called from any goroutine.
func requireKindSafely(t *testing.T, kind, err error) {
	if !errors.Is(err, kind) {
		t.Errorf("%v is not of the kind %v", err, kind)
	}
}

func TestWaitingRequestsShareAFetch(t *testing.T) {
	k := keys(t)
	i := newIssuer(t, set(t, jwk(t, k.ec256, "kid", "old")))
	o := anyone()
	o.JWKS = i.URL
	v := start(t, o)

	asked, answer := make(chan struct{}), make(chan struct{})
	after := set(t, jwk(t, k.ec384, "kid", "new"))
	i.handle(func(w http.ResponseWriter, _ *http.Request) {
		close(asked)
		<-answer
		_, _ = w.Write(after)
	})
	token := sign(t, "ES384", "new", k.ec384)

	gone, leave := context.WithCancel(t.Context())
	var first, wg sync.WaitGroup
	first.Go(func() {
		_, err := v.Verify(gone, token)
		requireKindSafely(t, notify.ErrUnavailable, err)
	})
	<-asked
	leave() // and the fetch goes on
	first.Wait()
	for range 10 {
		wg.Go(func() {
			if _, err := v.Verify(context.Background(), token); err != nil {
				t.Error(err)
			}
		})
	}
	close(answer)
	wg.Wait()
	require.EqualValues(t, 2, i.fetches.Load())
}

func TestIssuerOutOfReach(t *testing.T) {
	k := keys(t)
	good := set(t, jwk(t, k.ec256, "kid", "one"))
	i := newIssuer(t, good)
	i.fail(http.StatusBadGateway)
	c := newClock()
	o := anyone()
	o.JWKS, o.Now = i.URL, c.now
	v := start(t, o)

	one, two := sign(t, "ES256", "one", k.ec256), sign(t, "ES384", "two", k.ec384)
	_, err := v.Verify(t.Context(), one)
	requireKind(t, notify.ErrUnavailable, err, one)
	fetches := i.fetches.Load()
	_, err = v.Verify(t.Context(), one)
	requireKind(t, notify.ErrUnavailable, err, one)
	require.Equal(t, fetches, i.fetches.Load(), "and is left alone meanwhile")

	i.serve(good)
	c.pass(30 * time.Second)
	_, err = v.Verify(t.Context(), one)
	require.NoError(t, err)
	_, err = v.Verify(t.Context(), two)
	requireKind(t, notify.ErrTokenInvalid, err, two)

	i.fail(http.StatusServiceUnavailable)
	c.pass(30 * time.Second)
	_, err = v.Verify(t.Context(), two)
	requireKind(t, notify.ErrUnavailable, err, two)
	_, err = v.Verify(t.Context(), one)
	require.NoError(t, err, "the last good keys stay")
}

func TestLastGoodKeysStay(t *testing.T) {
	k := keys(t)
	good := jwk(t, k.ec256, "kid", "one")
	i := newIssuer(t, set(t, good))
	elsewhere := newIssuer(t, set(t, jwk(t, k.ec384, "kid", "two")))
	c := newClock()
	o := anyone()
	o.JWKS, o.Now = i.URL, c.now
	v := start(t, o)

	many := make([]map[string]any, 101)
	for n := range many {
		many[n] = jwk(t, k.ec384, "kid", fmt.Sprint("two-", n))
	}
	many[7]["kid"] = "two"
	answers := map[string]http.HandlerFunc{
		"empty object": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "{}") },
		"no keys":      func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"keys":[]}`) },
		"no JSON":      func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") },
		"no content":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"a redirect":   func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) },
		"too many":     func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(set(t, many...)) },
		"too large": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat(" ", 1<<20))
			_, _ = w.Write(set(t, jwk(t, k.ec384, "kid", "two")))
		},
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			i.handle(answer)
			c.pass(30 * time.Second)
			before := i.fetches.Load()
			_, err := v.Verify(t.Context(), sign(t, "ES384", "two", k.ec384))
			require.ErrorIs(t, err, notify.ErrUnavailable)
			require.Equal(t, before+1, i.fetches.Load())
			_, err = v.Verify(t.Context(), sign(t, "ES256", "one", k.ec256))
			require.NoError(t, err)
		})
	}
	require.Zero(t, elsewhere.fetches.Load())
}

func TestWhichKeysOfASetCount(t *testing.T) {
	k := keys(t)
	oct := map[string]any{"kty": "oct", "kid": "1", "k": base64.RawURLEncoding.EncodeToString(secret())}
	private, err := jwkset.NewJWKFromKey(k.ec256, jwkset.JWKOptions{
		Marshal:  jwkset.JWKMarshalOptions{Private: true},
		Metadata: jwkset.JWKMetadataOptions{KID: "1"},
	})
	require.NoError(t, err)
	raw, err := json.Marshal(private.Marshal())
	require.NoError(t, err)
	var whole map[string]any
	require.NoError(t, json.Unmarshal(raw, &whole))
	ops := func(op string) map[string]any {
		m := jwk(t, k.ec256, "kid", "1")
		m["key_ops"] = []string{op}
		return m
	}
	tests := map[string]struct {
		key        map[string]any
		algorithms []string
		alg, kid   string
		with       any
		ok         bool
	}{
		"by kid":                   {jwk(t, k.ec256, "kid", "1"), nil, "ES256", "1", k.ec256, true},
		"token without kid":        {jwk(t, k.ec256, "kid", "1"), nil, "ES256", "", k.ec256, true},
		"key without kid":          {jwk(t, k.ec256), nil, "ES256", "1", k.ec256, true},
		"another kid":              {jwk(t, k.ec256, "kid", "1"), nil, "ES256", "2", k.ec256, false},
		"another key":              {jwk(t, k.ec256, "kid", "1"), nil, "ES384", "1", k.ec384, false},
		"EdDSA":                    {jwk(t, k.ed, "kid", "1"), nil, "EdDSA", "1", k.ed, true},
		"EdDSA without alg":        {jwk(t, k.ed, "kid", "1", "alg", ""), nil, "EdDSA", "1", k.ed, true},
		"RSA by default":           {jwk(t, k.rsa, "kid", "1"), nil, "RS256", "1", k.rsa, true},
		"RSA not PS by default":    {jwk(t, k.rsa, "kid", "1"), nil, "PS256", "1", k.rsa, false},
		"RSA as its alg says":      {jwk(t, k.rsa, "kid", "1", "alg", "PS256"), nil, "PS256", "1", k.rsa, true},
		"RSA not else":             {jwk(t, k.rsa, "kid", "1", "alg", "PS256"), nil, "RS256", "1", k.rsa, false},
		"RSA as configured":        {jwk(t, k.rsa, "kid", "1"), []string{"RS512"}, "RS512", "1", k.rsa, true},
		"alg not configured":       {jwk(t, k.rsa, "kid", "1", "alg", "RS256"), []string{"PS256"}, "RS256", "1", k.rsa, false},
		"alg of another kind":      {jwk(t, k.rsa, "kid", "1", "alg", "ES256"), nil, "RS256", "1", k.rsa, false},
		"alg for encryption":       {jwk(t, k.rsa, "kid", "1", "alg", "RSA-OAEP"), nil, "RS256", "1", k.rsa, false},
		"use sig":                  {jwk(t, k.ec256, "kid", "1", "use", "sig"), nil, "ES256", "1", k.ec256, true},
		"use enc":                  {jwk(t, k.ec256, "kid", "1", "use", "enc"), nil, "ES256", "1", k.ec256, false},
		"use unheard of":           {jwk(t, k.ec256, "kid", "1", "use", "tea"), nil, "ES256", "1", k.ec256, false},
		"key_ops verify":           {ops("verify"), nil, "ES256", "1", k.ec256, true},
		"key_ops encrypt":          {ops("encrypt"), nil, "ES256", "1", k.ec256, false},
		"a private key by mistake": {whole, nil, "ES256", "1", k.ec256, true},
		"a symmetric key":          {oct, nil, "HS256", "1", secret(), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			spare := jwk(t, k.ec521, "kid", "spare") // a set of nothing that counts is refused
			o := anyone()
			o.Algorithms = test.algorithms
			if len(o.Algorithms) > 0 {
				o.Algorithms = append(o.Algorithms, "ES512")
			}
			o.JWKS = write(t, "jwks.json", set(t, spare, test.key, map[string]any{"kty": "XX"}))
			v := start(t, o)
			token := sign(t, test.alg, test.kid, test.with)
			_, err := v.Verify(t.Context(), token)
			if test.ok {
				require.NoError(t, err)
				return
			}
			requireKind(t, notify.ErrTokenInvalid, err, token)
		})
	}
}

func TestSecretAndJWKSTogether(t *testing.T) {
	k := keys(t)
	i := newIssuer(t, set(t, jwk(t, k.ec256, "kid", "1")))
	o := anyone()
	o.JWKS, o.Secrets, o.PublicKeyFile = i.URL, [][]byte{secret()}, write(t, "key.pem", pemOf(t, k.ec256))
	v := start(t, o)
	for _, token := range []string{sign(t, "HS256", "1", secret()), sign(t, "ES256", "1", k.ec256), sign(t, "ES256", "", k.ec256)} {
		_, err := v.Verify(t.Context(), token)
		require.NoError(t, err)
	}
}

// roundTrip is a transport that a bubble of synctest can hold.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(body []byte) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(body))}, nil
}

func TestJWKSIsFetchedAtIntervals(t *testing.T) {
	k := keys(t)
	before, after := set(t, jwk(t, k.ec256)), set(t, jwk(t, k.ec384))
	synctest.Test(t, func(t *testing.T) {
		var now atomic.Pointer[[]byte]
		now.Store(&before)
		o := anyone()
		o.JWKS = "https://issuer.example/jwks"
		o.Transport = roundTrip(func(*http.Request) (*http.Response, error) { return answer(*now.Load()) })
		v := start(t, o)
		_, err := v.Verify(t.Context(), sign(t, "ES256", "", k.ec256))
		require.NoError(t, err)

		now.Store(&after)
		time.Sleep(6 * time.Minute)
		synctest.Wait()
		_, err = v.Verify(t.Context(), sign(t, "ES256", "", k.ec256))
		require.ErrorIs(t, err, notify.ErrTokenInvalid, "a key that is no longer published is no longer accepted")
		_, err = v.Verify(t.Context(), sign(t, "ES384", "", k.ec384))
		require.NoError(t, err)
	})
}

func TestSlowIssuer(t *testing.T) {
	k := keys(t)
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		o := anyone()
		o.JWKS = "https://user:hunter2@issuer.example/jwks?key=hunter3"
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		o.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		before := time.Now()
		v := start(t, o)
		require.Equal(t, 5*time.Second, time.Since(before), "the bubble's time")
		_, err := v.Verify(t.Context(), sign(t, "ES256", "1", k.ec256))
		require.ErrorIs(t, err, notify.ErrUnavailable)
		require.Equal(t, 10*time.Second, time.Since(before))

		v.Close()
		_, err = v.Verify(t.Context(), sign(t, "ES256", "1", k.ec256))
		require.ErrorIs(t, err, notify.ErrUnavailable)
		require.Contains(t, log.String(), "issuer.example")
		require.NotContains(t, log.String(), "hunter")
		require.Equal(t, 1, strings.Count(log.String(), "cannot be loaded"), "a failure that goes on is logged once: %s", &log)
	})
}

func TestCloseEndsAFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := anyone()
		o.JWKS = "https://issuer.example/jwks"
		o.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		v := start(t, o)
		time.Sleep(31 * time.Second) // the next fetch is under way
		before := time.Now()
		v.Close()
		require.Zero(t, time.Since(before))
	})
}

func TestFilesAreReadAgain(t *testing.T) {
	k := keys(t)
	pemPath, setPath := write(t, "key.pem", pemOf(t, k.ec256)), write(t, "jwks.json", set(t, jwk(t, k.ec384, "kid", "1")))
	synctest.Test(t, func(t *testing.T) {
		o := anyone()
		o.PublicKeyFile, o.JWKS = pemPath, setPath
		v := start(t, o)
		verify := func(alg string, key any) error {
			t.Helper()
			time.Sleep(3 * time.Second)
			synctest.Wait()
			_, err := v.Verify(t.Context(), sign(t, alg, "", key))
			return err
		}
		require.NoError(t, verify("ES256", k.ec256))
		require.NoError(t, verify("ES384", k.ec384))

		require.NoError(t, os.WriteFile(pemPath, append(pemOf(t, k.ed), '\n'), 0o600))
		require.NoError(t, verify("EdDSA", k.ed))
		require.ErrorIs(t, verify("ES256", k.ec256), notify.ErrTokenInvalid)

		require.NoError(t, os.WriteFile(setPath, []byte(`{"keys":`), 0o600))
		require.NoError(t, verify("ES384", k.ec384), "the last good keys stay")
		require.NoError(t, os.Remove(setPath))
		require.NoError(t, verify("ES384", k.ec384))
		require.NoError(t, os.WriteFile(setPath, set(t, jwk(t, k.ec521)), 0o600))
		require.NoError(t, verify("ES512", k.ec521))
		require.ErrorIs(t, verify("ES384", k.ec384), notify.ErrTokenInvalid)
	})
}
