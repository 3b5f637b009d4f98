// Package idp stands in for identity providers in tests: issuers that publish a
// key set over HTTP on the loopback interface and fail in every way that real
// ones do, keys that sign tokens, and key sets shaped like those of well-known
// providers.
//
//	keys := idp.NewRing(t)
//	i := idp.New(t, idp.Set(keys.RSA(0, "one").JWK(nil)))
//	o.JWKS = i.JWKS()
//	token := keys.RSA(0, "one").Token(t, claims)
//	i.Publish(idp.Set(…)) // rotates
package idp

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
)

// Issuer is a provider that publishes one key set. Its methods may be called
// concurrently.
type Issuer struct {
	URL string // of the provider; it can serve as the issuer's name

	fetches atomic.Int64
	mu      sync.Mutex
	answer  http.HandlerFunc // guarded by mu
}

// New starts an issuer that publishes set until the test ends.
func New(t testing.TB, set []byte) *Issuer {
	t.Helper()
	i := &Issuer{}
	i.Publish(set)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.fetches.Add(1)
		i.mu.Lock()
		answer := i.answer
		i.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	i.URL = server.URL
	return i
}

// JWKS returns the URL of the key set.
func (i *Issuer) JWKS() string { return i.URL + "/.well-known/jwks.json" }

// Fetches returns how often the key set was asked for.
func (i *Issuer) Fetches() int { return int(i.fetches.Load()) }

// Answer has every further request answered by h.
func (i *Issuer) Answer(h http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answer = h
}

// Publish publishes set from now on, which is how keys rotate and how an issuer
// recovers.
func (i *Issuer) Publish(set []byte) {
	set = bytes.Clone(set)
	i.Answer(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/jwk-set+json")
		_, _ = w.Write(set)
	})
}

// Fail answers with a status and no body.
func (i *Issuer) Fail(status int) {
	i.Answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
}

// ErrorPage answers with a status and a page for people, as proxies and
// firewalls do, often with 200.
func (i *Issuer) ErrorPage(status int) {
	i.Answer(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "<!doctype html><title>Sorry</title><p>We will be back soon.")
	})
}

// Truncate announces the whole of set and cuts the connection in its middle.
func (i *Issuer) Truncate(set []byte) {
	set = bytes.Clone(set)
	i.Answer(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "1000000")
		_, _ = w.Write(set[:len(set)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
}

// Huge answers with set after a mebibyte of white space, which is more than a
// key set may have.
func (i *Issuer) Huge(set []byte) {
	i.Publish(append(bytes.Repeat([]byte(" "), 1<<20), set...))
}

// Redirect answers with a redirect to another URL.
func (i *Issuer) Redirect(to string) {
	i.Answer(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) })
}

// Hold makes requests wait until release is called, and then answers as before.
// Each request is announced on asked, as long as somebody receives.
func (i *Issuer) Hold(t testing.TB) (asked <-chan struct{}, release func()) {
	t.Helper()
	arrived, held := make(chan struct{}, 16), make(chan struct{})
	release = sync.OnceFunc(func() { close(held) })
	t.Cleanup(release)
	i.mu.Lock()
	defer i.mu.Unlock()
	before := i.answer
	i.answer = func(w http.ResponseWriter, r *http.Request) {
		select {
		case arrived <- struct{}{}:
		default:
		}
		select {
		case <-held:
			before(w, r)
		case <-r.Context().Done():
		}
	}
	return arrived, release
}
