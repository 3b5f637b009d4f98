package auth

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/MicahParks/jwkset"

	"github.com/bellhop/bellhop/internal/watch"
)

func isURL(s string) bool {
	s = lowerASCII(s)
	return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://")
}

// checks are what jwkset must see in a key. Its use is our own to judge: a key
// for something unheard of is skipped, not a reason to refuse all others.
func checks() jwkset.JWKValidateOptions {
	return jwkset.JWKValidateOptions{SkipUse: true, SkipKeyOps: true, SkipX5UScheme: true}
}

func jwksFile(o *Options) *watch.Source[[]key] {
	return fileSource(tokenKeys, o.JWKS, o, func(_ context.Context, data []byte) ([]key, error) {
		set, err := parseSet(data)
		if err != nil {
			return nil, err
		}
		return usable(set, o.Algorithms, o.Logger)
	})
}

func parseSet(data []byte) ([]jwkset.JWK, error) {
	var raw jwkset.JWKSMarshal
	if err := json.Unmarshal(data, &raw); err != nil {
		return nil, fmt.Errorf("not a JWK Set: %w", err)
	}
	var set []jwkset.JWK
	for i, m := range raw.Keys {
		jwk, err := jwkset.NewJWKFromMarshal(m, jwkset.JWKMarshalOptions{Private: true}, checks())
		switch {
		case errors.Is(err, jwkset.ErrUnsupportedKey):
		case err != nil:
			return nil, fmt.Errorf("key %d: %w", i+1, err)
		default:
			set = append(set, jwk)
		}
	}
	return set, nil
}

// jwksURL fetches with jwkset and decides in source when to. The client of
// jwkset decides that too, and keyfunc stands on it; but there a request that
// is given up spends the window's one fetch, those that come meanwhile are
// refused, an empty answer takes the good keys' place, and a token without a
// kid is tried with every key, whatever its algorithm.
func jwksURL(o *Options) (*watch.Source[[]key], error) {
	u, err := url.Parse(o.JWKS)
	if err != nil || u.Host == "" {
		return nil, errors.New("the JWKS is not a URL with a host") // its text may hold a password
	}
	client := jwksClient(o.Transport)
	s := sourceOptions[[]key](o, tokenKeys, u.Scheme+"://"+u.Host+u.EscapedPath())
	s.Every, s.Retry, s.Window = urlRefresh, unknownWindow, unknownWindow
	s.Load = func(ctx context.Context) ([]key, error) {
		set, err := fetchSet(ctx, client, o.JWKS)
		if err != nil {
			return nil, err
		}
		return usable(set, o.Algorithms, o.Logger)
	}
	return watch.New(s), nil
}

// fetchSet asks once.
func fetchSet(ctx context.Context, client *http.Client, from string) ([]jwkset.JWK, error) {
	store, err := jwkset.NewStorageFromHTTP(from, jwkset.HTTPClientStorageOptions{
		Client:          client,
		Ctx:             ctx,
		HTTPTimeout:     fetchTimeout, // for the whole of it
		ValidateOptions: checks(),
	})
	if err != nil {
		var at *url.Error // it repeats the URL, password and all
		if errors.As(err, &at) {
			err = at.Err
		}
		return nil, err
	}
	return store.KeyReadAll(ctx)
}

// jwksClient follows no redirect, keeps no connection, and reads no more than
// maxSetBytes of an answer.
func jwksClient(transport http.RoundTripper) *http.Client {
	if transport == nil {
		transport = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DisableKeepAlives:      true,
			ForceAttemptHTTP2:      true,
			MaxResponseHeaderBytes: 64 << 10,
		}
	}
	return &http.Client{
		Transport:     capped{transport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type capped struct{ next http.RoundTripper }

func (c capped) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, maxSetBytes)
	return resp, nil
}

// usable returns the keys of a set that tokens may be signed with. A set
// without any is an error, so that it takes no good keys' place.
func usable(set []jwkset.JWK, allowed []string, logger *slog.Logger) ([]key, error) {
	var keys []key
	for i, jwk := range set {
		k, err := fromJWK(jwk, allowed)
		if err != nil {
			logger.Debug("a key of the JWK Set is not used", "place", i+1, "reason", err)
			continue
		}
		keys = append(keys, k)
	}
	switch {
	case len(keys) == 0:
		return nil, fmt.Errorf("no public key in it that a token may be signed with, of %d", len(set))
	case len(keys) > maxSetKeys:
		return nil, fmt.Errorf("it has %d keys, and %d are the most", len(keys), maxSetKeys)
	}
	return keys, nil
}

func fromJWK(jwk jwkset.JWK, allowed []string) (key, error) {
	m := jwk.Marshal()
	if m.USE != "" && m.USE != jwkset.UseSig {
		return key{}, errors.New("its use is not sig")
	}
	if len(m.KEYOPS) > 0 && !slices.Contains(m.KEYOPS, jwkset.KeyOpsVerify) && !slices.Contains(m.KEYOPS, jwkset.KeyOpsSign) {
		return key{}, errors.New("its key_ops do not have verify")
	}
	material := jwk.Key()
	if private, ok := material.(crypto.Signer); ok {
		material = private.Public()
	}
	if _, ok := material.([]byte); ok {
		return key{}, errors.New("it is symmetric")
	}
	return newKey(m.KID, material, string(m.ALG), allowed)
}
