package contract

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// Transport is an http.RoundTripper that reports to TB, with Errorf, what the document does
// not allow:
//
//   - a response whose path, method, status, headers or body are not in the document;
//   - an invalid request that was accepted. Tests send invalid requests on purpose. Such a
//     request is no error if it is refused, or if it is marked with Meant.
//
// The body of a response is read completely before it is returned, except after a protocol
// switch and for an event stream.
type Transport struct {
	Document *Document
	TB       testing.TB
	Next     http.RoundTripper // nil means http.DefaultTransport

	// BasePath is the prefix of the document's paths. Requests to other paths are not
	// validated.
	BasePath string

	// Undocumented, if set, reports whether a path below BasePath is not validated
	// because the document does not cover it, such as a page.
	Undocumented func(path string) bool
}

type meantKey struct{}

// Meant marks requests that are invalid by the document but must be accepted by the service:
// a batch with an invalid item.
func Meant(ctx context.Context) context.Context {
	return context.WithValue(ctx, meantKey{}, true)
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	next := t.Next
	if next == nil {
		next = http.DefaultTransport
	}
	path, ours := strings.CutPrefix(r.URL.EscapedPath(), t.BasePath)
	if !ours || t.Undocumented != nil && t.Undocumented(path) {
		return next.RoundTrip(r)
	}
	r, sent, err := keepBody(r)
	if err != nil {
		return nil, err
	}
	resp, err := next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	var got []byte
	if resp.StatusCode != http.StatusSwitchingProtocols && !isStream(resp.Header) {
		if got, err = io.ReadAll(resp.Body); err != nil {
			return nil, fmt.Errorf("read the response: %w", err)
		}
		resp.Body.Close()
		resp.Body = io.NopCloser(bytes.NewReader(got))
	}
	if err := t.check(path, r, sent, resp, got); err != nil {
		t.TB.Errorf("the response to %s %s, status %d, violates the document: %v\n%.2000s", r.Method, path, resp.StatusCode, err, got)
	}
	return resp, nil
}

func (t *Transport) check(path string, r *http.Request, sent []byte, resp *http.Response, got []byte) error {
	op := t.Document.operation(r, path)
	if op == nil || resp.StatusCode == http.StatusMethodNotAllowed {
		return t.checkUnknown(path, r, resp, got)
	}
	if err := t.Document.response(op, r, resp.StatusCode, resp.Header, got); err != nil {
		return err
	}
	if resp.StatusCode >= 400 {
		if r.Method == http.MethodHead {
			return nil
		}
		return t.Document.checkProblem(r, resp.StatusCode, resp.Header, got)
	}
	if r.Context().Value(meantKey{}) != nil {
		return nil
	}
	if err := t.Document.request(op, r, sent); err != nil {
		return fmt.Errorf("an invalid request was accepted: %w", err)
	}
	return nil
}

// checkUnknown validates the response to a request that the document does not have.
func (t *Transport) checkUnknown(path string, r *http.Request, resp *http.Response, got []byte) error {
	if r.Method == http.MethodOptions && resp.StatusCode == http.StatusNoContent {
		return nil
	}
	want := http.StatusNotFound
	if t.Document.has(r, path) {
		want = http.StatusMethodNotAllowed
	}
	if resp.StatusCode != want && resp.StatusCode != http.StatusRequestEntityTooLarge {
		return fmt.Errorf("the request is not in the document: want status %d", want)
	}
	if want == http.StatusMethodNotAllowed && resp.Header.Get("Allow") == "" {
		return errors.New("the header Allow is missing")
	}
	if r.Method == http.MethodHead {
		return nil
	}
	return t.Document.checkProblem(r, resp.StatusCode, resp.Header, got)
}

// keepBody reads the body of r and returns r with a body that can be read again.
func keepBody(r *http.Request) (*http.Request, []byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return r, nil, nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, nil, fmt.Errorf("read the body: %w", err)
	}
	r.Body.Close()
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return r, body, nil
}

func unmarshal(b []byte, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("read the problem: %w", err)
	}
	return nil
}
