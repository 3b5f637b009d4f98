package webui_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/webui"
)

func handler(t *testing.T) http.Handler {
	t.Helper()
	asked := 0
	return webui.Demo(func() (webui.Session, error) {
		asked++
		n := strconv.Itoa(asked)
		return webui.Session{
			Users:     map[string]webui.Credential{"ada": {Token: "a" + n}, "grace": {Token: "g" + n}},
			Publisher: webui.Credential{Token: "p" + n},
		}, nil
	}, slog.New(slog.DiscardHandler))
}

func get(h http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	return do(h, http.MethodGet, target, header...)
}

func do(h http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestEveryFileIsServedWithItsType(t *testing.T) {
	h := handler(t)
	types := map[string]string{
		"html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8",
		"js": "text/javascript; charset=utf-8", "svg": "image/svg+xml; charset=utf-8",
		"woff2": "font/woff2", "txt": "text/plain; charset=utf-8",
	}
	for name, content := range files(t) {
		target := "/" + name
		if name == "index.html" {
			target = "/"
		}
		w := get(h, target)
		require.Equal(t, http.StatusOK, w.Code, name)
		require.Equal(t, types[name[strings.LastIndex(name, ".")+1:]], w.Header().Get("Content-Type"), name)
		require.Equal(t, "no-cache", w.Header().Get("Cache-Control"), name)
		require.True(t, bytes.Equal(content, w.Body.Bytes()), name)

		again := get(h, target, "If-None-Match", w.Header().Get("ETag"))
		require.Equal(t, http.StatusNotModified, again.Code, name)
		require.Empty(t, again.Body.Bytes(), name)
	}
}

func TestEveryResponseHasThePolicy(t *testing.T) {
	h := handler(t)
	for _, target := range []string{"/", "/demo/demo.js", "/demo/session.json", "/nothing"} {
		w := get(h, "http://127.0.0.1:8080"+target)
		policy := w.Header().Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'self'; ", target)
		require.Contains(t, policy, "connect-src 'self' ws://127.0.0.1:8080 wss://127.0.0.1:8080; ", target)
		require.NotContains(t, policy, "unsafe", target)
		require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"), target)
		require.Equal(t, "no-referrer", w.Header().Get("Referrer-Policy"), target)
	}
}

func TestPolicyListsNoUnsafeHost(t *testing.T) {
	for host, named := range map[string]bool{
		"localhost:8080": true, "[::1]:8080": true, "demo.example.com": true,
		"a; script-src *": false, "a b": false, "*": false, "": false, "[::1] *": false,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		handler(t).ServeHTTP(w, r)
		got := strings.Contains(w.Header().Get("Content-Security-Policy"), "connect-src 'self' ws://"+host+" wss://"+host+";")
		require.Equal(t, named, got, host)
	}
}

func TestSessionIsNewForEachRequestAndNotCached(t *testing.T) {
	h := handler(t)
	first, second := get(h, "/demo/session.json"), get(h, "/demo/session.json")

	require.Equal(t, "application/json; charset=utf-8", first.Header().Get("Content-Type"))
	require.Equal(t, "no-store", first.Header().Get("Cache-Control"))
	var got, want any
	require.NoError(t, json.Unmarshal(first.Body.Bytes(), &got))
	require.NoError(t, json.Unmarshal([]byte(
		`{"base":"","users":{"ada":{"token":"a1"},"grace":{"token":"g1"}},"publisher":{"token":"p1"}}`), &want))
	require.Empty(t, cmp.Diff(want, got))
	require.Contains(t, second.Body.String(), `"a2"`)
}

func TestAFailedSessionIsOnlyLogged(t *testing.T) {
	var log bytes.Buffer
	h := webui.Demo(func() (webui.Session, error) {
		return webui.Session{}, errors.New("the secret is gone")
	}, slog.New(slog.NewTextHandler(&log, nil)))
	w := get(h, "/demo/session.json")

	require.Equal(t, http.StatusInternalServerError, w.Code)
	require.JSONEq(t, `{"type":"urn:bellhop:problem:internal","title":"Internal error","status":500}`, w.Body.String())
	require.Contains(t, log.String(), "the secret is gone")
}

func TestAnUnknownPathIsAProblem(t *testing.T) {
	h := handler(t)
	for _, target := range []string{"/demo", "/demo/", "/demo/fonts/", "/index.html", "/demo/../webui.go", "/favicon.ico"} {
		w := get(h, target)
		require.Equal(t, http.StatusNotFound, w.Code, target)
		require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"), target)
	}
	w := do(h, http.MethodPost, "/demo/session.json")
	require.Equal(t, http.StatusMethodNotAllowed, w.Code)
	require.Equal(t, "GET, HEAD", w.Header().Get("Allow"))
	require.NotContains(t, w.Body.String(), "token")
}

// The policy makes a browser refuse inline code and other hosts. This test finds them
// without a browser.
func TestPageConformsToItsPolicy(t *testing.T) {
	outside := regexp.MustCompile(`(?i)(src|href|url)\s*[=(]\s*["']?(https?:)?//`)
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|<script[^>]*>[^<]|["']javascript:`)
	markup := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(`)
	for name, content := range files(t) {
		if strings.HasSuffix(name, ".woff2") || strings.HasSuffix(name, ".txt") {
			continue
		}
		require.NotRegexp(t, outside, string(content), name)
		if strings.HasSuffix(name, ".js") {
			require.NotRegexp(t, markup, string(content), name)
		} else {
			require.NotRegexp(t, inline, string(content), name)
		}
	}
}

func TestFilesOfThePageExist(t *testing.T) {
	h := handler(t)
	asks := regexp.MustCompile(`(?:href|src)="(demo/[^"]+)"|url\("([^"]+)"\)|from "\./([^"]+)"`)
	for name, content := range files(t) {
		for _, m := range asks.FindAllStringSubmatch(string(content), -1) {
			target := "/" + m[1]
			if m[1] == "" {
				target = "/demo/" + m[2] + m[3]
			}
			require.Equal(t, http.StatusOK, get(h, target).Code, "%s asks for %s", name, target)
		}
	}
}

func files(t *testing.T) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	require.NoError(t, fs.WalkDir(os.DirFS("page"), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(os.DirFS("page"), name)
		all[name] = content
		return err
	}))
	require.NotEmpty(t, all)
	return all
}
