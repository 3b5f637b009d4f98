package contract_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/test/contract"
)

// reports records the errors that a Transport reports.
type reports struct {
	testing.TB
	all []string
}

func (r *reports) Errorf(format string, args ...any) {
	r.all = append(r.all, fmt.Sprintf(format, args...))
}

// canned gives the same response to every request.
type canned struct {
	status  int
	headers http.Header
	body    string
}

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: c.status, Header: c.headers, Request: r, Body: io.NopCloser(strings.NewReader(c.body)),
	}, nil
}

const uuid = "0193a5e8-7f6b-7c3d-9a41-5f0e2b8d6c10"

// TestTransport checks that the transport reports violations of the document.
func TestTransport(t *testing.T) {
	doc, err := contract.Load("../../openapi.yaml")
	require.NoError(t, err)
	const (
		good    = `{"to":{"users":["ada"]},"type":"t"}`
		receipt = `{"id":"` + uuid + `","recipients":1,"duplicate":false}`
		missing = `{"type":"urn:bellhop:problem:not-found","title":"t","status":404,"instance":"urn:uuid:` + uuid + `"}`
	)
	json := map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store"}
	page := map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Cache-Control": "no-cache", "ETag": `"1"`,
		"Content-Security-Policy": "default-src 'self'; object-src 'none'",
	}
	problem := map[string]string{"Content-Type": "application/problem+json", "Cache-Control": "no-store"}
	for name, test := range map[string]struct {
		method, path, sent string
		status             int
		headers            map[string]string
		body               string
		want               string // part of the report; empty means no report
	}{
		"valid":               {"POST", "/notify", good, 202, json, receipt, ""},
		"wrong answer":        {"POST", "/notify", good, 202, json, `{"id":"1"}`, "duplicate"},
		"wrong type":          {"POST", "/notify", good, 202, map[string]string{"Content-Type": "text/html", "Cache-Control": "no-store"}, receipt, "Content-Type"},
		"a page":              {"GET", "/docs", "", 200, page, "<!doctype html>", ""},
		"a page as YAML":      {"GET", "/openapi.yaml", "", 200, page, "<!doctype html>", "Content-Type"},
		"missing header":      {"POST", "/notify", good, 202, map[string]string{"Content-Type": "application/json"}, receipt, "Cache-Control"},
		"undocumented status": {"POST", "/notify", good, 201, json, receipt, "status is not supported"},
		"accepted wrongly":    {"POST", "/notify", `{"to":{"users":[]},"type":"t"}`, 202, json, receipt, "accepted"},
		"accepted two kinds":  {"POST", "/notify", `{"to":{"users":["ada"],"all":true},"type":"t"}`, 202, json, receipt, "accepted"},
		"accepted white user": {"POST", "/notify", `{"to":{"users":["a b"]},"type":"t"}`, 202, json, receipt, "accepted"},
		"unknown path":        {"GET", "/nowhere", "", 404, problem, missing, ""},
		"unknown, but found":  {"GET", "/nowhere", "", 200, json, `{}`, "not in the document"},
		"wrong status inside": {"GET", "/nowhere", "", 404, problem, strings.ReplaceAll(missing, "404", "405"), "405"},
		"another request's":   {"GET", "/nowhere", "", 404, problem, strings.ReplaceAll(missing, "0193", "0194"), "X-Request-Id"},
		"wrong kind":          {"POST", "/notify", good, 422, problem, strings.ReplaceAll(missing, "404", "422"), "type"},
		"no Allow":            {"PUT", "/notify", "", 405, problem, strings.NewReplacer("404", "405", "not-found", "method").Replace(missing), "Allow"},
	} {
		t.Run(name, func(t *testing.T) {
			h := http.Header{"Vary": {"Origin"}, "X-Request-Id": {uuid}}
			for name, value := range test.headers {
				h.Set(name, value)
			}
			r := &reports{TB: t}
			client := http.Client{Transport: &contract.Transport{
				Document: doc, TB: r, BasePath: "/b", Next: canned{test.status, h, test.body},
			}}
			req, err := http.NewRequest(test.method, "http://bellhop.test/b"+test.path, strings.NewReader(test.sent))
			require.NoError(t, err)
			req.Header.Set("Authorization", "Bearer x")
			req.Header.Set("Content-Type", "application/json")
			resp, err := client.Do(req)
			require.NoError(t, err)
			defer resp.Body.Close()
			got, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, test.body, string(got)) // passed on
			if test.want == "" {
				require.Empty(t, r.all)
				return
			}
			require.Len(t, r.all, 1)
			require.Contains(t, r.all[0], test.want)
		})
	}
}
