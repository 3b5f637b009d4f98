// Package contract validates the messages of a service and its clients against openapi.yaml
// and asyncapi.yaml. Its Transport is used by the http.Client of a test and reports every
// request and response that the document does not allow; Frames does so for WebSockets and
// event streams.
package contract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
)

// Document is an OpenAPI document. It is safe for concurrent use.
type Document struct {
	router  routers.Router
	problem *openapi3.Schema
	options *openapi3filter.Options
}

// Load reads a document. It must be valid and have a schema Problem.
func Load(file string) (*Document, error) {
	doc, err := openapi3.NewLoader().LoadFromFile(file)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", file, err)
	}
	doc.Servers = nil // Transport knows where the service is
	router, err := legacy.NewRouter(doc, openapi3.EnableExamplesValidation())
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	problem := doc.Components.Schemas["Problem"]
	if problem == nil {
		return nil, fmt.Errorf("%s has no schema Problem", file)
	}
	return &Document{router: router, problem: problem.Value, options: &openapi3filter.Options{
		AuthenticationFunc:    authenticated,
		IncludeResponseStatus: true,
		SkipSettingDefaults:   true,
	}}, nil
}

// operation is an operation of the document, with the parameters in the path.
type operation struct {
	*routers.Route
	params map[string]string
}

// operation returns the operation for r's method and the escaped path, or nil.
func (d *Document) operation(r *http.Request, path string) *operation {
	u := *r.URL
	u.Path, u.RawPath = path, ""
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet // HEAD has the same responses
	}
	route, params, err := d.router.FindRoute(&http.Request{Method: method, URL: &u, Host: r.Host})
	if err != nil || strings.HasSuffix(route.Path, "/") != strings.HasSuffix(path, "/") {
		return nil // the library ignores a slash at the end, and the service does not
	}
	return &operation{route, params}
}

// has reports whether the document has path, with any method.
func (d *Document) has(r *http.Request, path string) bool {
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete, http.MethodPut} {
		if d.operation(&http.Request{Method: method, URL: r.URL, Host: r.Host}, path) != nil {
			return true
		}
	}
	return false
}

// request validates r and its body as a request for op.
func (d *Document) request(op *operation, r *http.Request, body []byte) error {
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return openapi3filter.ValidateRequest(r.Context(), &openapi3filter.RequestValidationInput{
		Request: r, Route: op.Route, PathParams: op.params, Options: d.options,
	})
}

// response validates a response to r as one of op.
func (d *Document) response(op *operation, r *http.Request, status int, h http.Header, body []byte) error {
	options := *d.options
	options.ExcludeResponseBody = r.Method == http.MethodHead || status == http.StatusSwitchingProtocols || isStream(h)
	if isPage(h) { // the library cannot validate pages
		options.ExcludeResponseBody = true
		answer := op.Operation.Responses.Status(status)
		if answer == nil || answer.Value.Content.Get(h.Get("Content-Type")) == nil {
			return fmt.Errorf("the Content-Type is %q", h.Get("Content-Type"))
		}
	}
	if r.Method == http.MethodHead {
		// The library does not validate responses to HEAD. Except for the body, they are
		// those of GET.
		r = r.Clone(r.Context())
		r.Method = http.MethodGet
	}
	if isLines(h) {
		options.ExcludeResponseBody = true // the library reads no lines; each must be JSON
		if err := checkLines(body); err != nil {
			return err
		}
	}
	in := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, Route: op.Route, PathParams: op.params},
		Status:                 status,
		Header:                 h,
		Options:                &options,
	}
	in.SetBodyBytes(body)
	return openapi3filter.ValidateResponse(r.Context(), in)
}

// checkProblem validates an error response to r: it must be a problem document with the status
// and, unless the ID is the one that r has, the ID of the request.
func (d *Document) checkProblem(r *http.Request, status int, h http.Header, body []byte) error {
	if t := h.Get("Content-Type"); t != "application/problem+json" {
		return fmt.Errorf("the Content-Type of an error is %q", t)
	}
	var p map[string]any
	if err := unmarshal(body, &p); err != nil {
		return err
	}
	if err := d.problem.VisitJSON(p, openapi3.EnableJSONSchema2020(), openapi3.VisitAsResponse()); err != nil {
		return err
	}
	if p["status"] != float64(status) {
		return fmt.Errorf("a problem of status %v was answered with %d", p["status"], status)
	}
	if id := h.Get("X-Request-Id"); id != r.Header.Get("X-Request-Id") && p["instance"] != "urn:uuid:"+id {
		return fmt.Errorf("instance is %v, X-Request-Id %q", p["instance"], id)
	}
	return nil
}

// authenticated checks that a request has a token by a security scheme. The service itself
// checks whether the token is valid.
func authenticated(_ context.Context, in *openapi3filter.AuthenticationInput) error {
	r, scheme := in.RequestValidationInput.Request, in.SecurityScheme
	var found bool
	switch {
	case scheme.Type == "http":
		found = strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ")
	case scheme.In == "query":
		found = r.URL.Query().Has(scheme.Name)
	case scheme.Name == "Sec-WebSocket-Protocol":
		found = strings.Contains(r.Header.Get(scheme.Name), "bearer.")
	default:
		found = r.Header.Get(scheme.Name) != ""
	}
	if !found {
		return errors.New("no token for " + in.SecuritySchemeName)
	}
	return nil
}

// isStream reports whether a response with these headers is an event stream.
func isStream(h http.Header) bool { return h.Get("Content-Type") == "text/event-stream" }

// isLines reports whether a response with these headers has JSON in each line.
func isLines(h http.Header) bool { return h.Get("Content-Type") == "application/x-ndjson" }

// checkLines checks that each line of a body is a JSON object with a kind.
func checkLines(body []byte) error {
	for line := range bytes.Lines(body) {
		var v struct{ Kind string }
		if err := unmarshal(line, &v); err != nil || v.Kind == "" {
			return fmt.Errorf("a line without a kind: %s: %w", line, err)
		}
	}
	return nil
}

// isPage reports whether a response with these headers is a page or one of its files.
func isPage(h http.Header) bool {
	kind, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return slices.Contains([]string{"text/html", "text/javascript", "text/css", "image/svg+xml"}, kind)
}
