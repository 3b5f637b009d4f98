package webui_test

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/webui"
)

func TestConsoleServesEveryFileWithItsTypeAndItsPolicy(t *testing.T) {
	h := webui.Console()
	types := map[string]string{
		"index.html": "text/html; charset=utf-8", "console.css": "text/css; charset=utf-8",
		"console.js": "text/javascript; charset=utf-8", "theme.js": "text/javascript; charset=utf-8",
		"icon.svg": "image/svg+xml; charset=utf-8", "LICENSE.uplot.txt": "text/plain; charset=utf-8",
	}
	built, err := os.ReadDir("console/dist")
	require.NoError(t, err)
	require.Len(t, built, len(types))
	for file, contentType := range types {
		want, err := os.ReadFile("console/dist/" + file)
		require.NoError(t, err)
		path := strings.TrimSuffix("/console/"+file, "/index.html")
		a := get(h, path)
		require.Equal(t, http.StatusOK, a.Code, path)
		require.Equal(t, string(want), a.Body.String(), path)
		require.Equal(t, contentType, a.Header().Get("Content-Type"), path)
		revalidates(t, h, path)
		policy := a.Header().Get("Content-Security-Policy")
		require.Contains(t, policy, "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; ", path)
		require.Contains(t, policy, "base-uri 'none'; form-action 'none'; frame-ancestors 'none'", path)
		require.NotContains(t, policy, "unsafe", path)
		require.Equal(t, "nosniff", a.Header().Get("X-Content-Type-Options"), path)
		require.Equal(t, "no-referrer", a.Header().Get("Referrer-Policy"), path)
	}
	for _, path := range []string{"/", "/console/", "/console/index.html", "/console/nothing", "/console.js", "/console/../console"} {
		require.Equal(t, http.StatusNotFound, get(h, path).Code, path)
	}
}

// Every file that the page loads exists, at a path relative to the page, so that a proxy may
// serve it below another path.
func TestFilesOfTheConsoleExist(t *testing.T) {
	h := webui.Console()
	page := get(h, "/console").Body.String()
	links := regexp.MustCompile(`(?:href|src)="([^"#]+)"`).FindAllStringSubmatch(page, -1)
	require.NotEmpty(t, links)
	for _, link := range links {
		require.Equal(t, http.StatusOK, get(h, "/"+link[1]).Code, link[1])
	}
}

// The policy makes a browser refuse inline code and styles. This test finds them without one.
func TestConsoleConformsToItsPolicy(t *testing.T) {
	page := get(webui.Console(), "/console").Body.String()
	require.NotRegexp(t, `(?i)<style|\sstyle=|\son[a-z]+=|<script[^>]*>[^<]|["']javascript:`, page)
	for _, script := range []string{"console.js", "theme.js"} {
		text := get(webui.Console(), "/console/"+script).Body.String()
		require.NotRegexp(t, `innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function`, text, script)
		require.NotRegexp(t, `https?://`, text, "another host")
	}
}
