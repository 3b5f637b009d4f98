package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/bellhop/bellhop/internal/text"
	"github.com/bellhop/bellhop/internal/watch"
)

func isURL(s string) bool {
	s = strings.ToLower(s)
	return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://")
}

func jwksFile(o *Options) *watch.Source[[]key] {
	r := newSetReader(o, text.HideURL(o.JWKS))
	return fileSource(tokenKeys, o.JWKS, o, func(_ context.Context, data []byte) ([]key, error) { return r.read(data) })
}

// jwksURL returns the source of a key set at a URL.
//
// The clients of the libraries jwkset and keyfunc are not used for these reasons: one
// unreadable entry makes the whole set fail, a cancelled request uses up the only fetch of
// the rate limit, requests during a fetch are refused, an empty answer replaces good keys,
// and a token without a kid is tried with every key, whatever its algorithm.
func jwksURL(o *Options) (*watch.Source[[]key], error) {
	u, err := url.Parse(o.JWKS)
	if err != nil || u.Host == "" {
		return nil, errors.New("the JWKS is not a URL with a host") // without the text, which may contain a password
	}
	client := jwksClient(o.Transport)
	s := sourceOptions[[]key](o, tokenKeys, o.JWKS)
	s.Every, s.Retry, s.Window = urlRefresh, unknownWindow, unknownWindow
	s.Advice = "check that the URL of the key set is right and can be reached from here; until it answers, tokens of the issuer are refused with 503"
	r := newSetReader(o, s.Name)
	var good watch.Seen
	s.Load = func(ctx context.Context) ([]key, error) {
		var keys []key
		data, err := fetchSet(ctx, client, o.JWKS)
		if err == nil && good.Same(data) {
			return nil, watch.ErrUnchanged
		}
		good.Forget()
		if err == nil {
			keys, err = r.read(data)
		}
		if err == nil {
			good.Same(data)
		}
		return keys, err
	}
	return watch.New(s), nil
}

// fetchSet fetches a key set once. Its errors do not contain the URL.
func fetchSet(ctx context.Context, client *http.Client, from string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout) // includes reading the body
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, http.NoBody)
	if err != nil {
		return nil, errors.New("the JWKS is not a URL")
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json;q=0.9, */*;q=0.1")
	resp, err := client.Do(req)
	if err != nil {
		return nil, fetchError(err)
	}
	defer resp.Body.Close()
	switch status := resp.StatusCode; {
	case status >= 300 && status < 400:
		return nil, fmt.Errorf("it answers with status %d, and redirects are not followed: set the URL to which it leads", status)
	case status != http.StatusOK:
		return nil, fmt.Errorf("it answers with status %d, not 200", status)
	}
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fetchError(err)
	}
	return data, nil
}

func fetchError(err error) error {
	var at *url.Error // its text contains the URL, which may have a password
	if errors.As(err, &at) {
		err = at.Err
	}
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return fmt.Errorf("it has more than %d bytes", maxSetBytes)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer within %s", fetchTimeout)
	default:
		return err
	}
}

// jwksClient returns a client that does not follow redirects, does not keep connections
// open, and reads at most maxSetBytes of an answer.
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
