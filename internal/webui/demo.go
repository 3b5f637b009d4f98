package webui

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/problem"
)

// Demo serves the demo page at /, its files below /demo/, and the result of session, called
// for each request, at /demo/session.json. It expects paths without the base path of the
// service. Every client that reaches the handler gets the tokens, so it must be used only
// for a demo on the user's own machine.
func Demo(session func() (Session, error), logger *slog.Logger) http.Handler {
	return &demo{session: session, logger: logger, assets: load(files())}
}

type demo struct {
	session func() (Session, error)
	logger  *slog.Logger
	assets  map[string]asset // by request path
}

type asset struct {
	content     []byte
	contentType string
	etag        string
}

// contentTypes are the types by file extension. Package mime would depend on files of the
// machine.
var contentTypes = map[string]string{
	".css":   "text/css; charset=utf-8",
	".html":  "text/html; charset=utf-8",
	".js":    "text/javascript; charset=utf-8",
	".ts":    "text/plain; charset=utf-8",
	".svg":   "image/svg+xml; charset=utf-8",
	".yaml":  "application/yaml",
	".txt":   "text/plain; charset=utf-8",
	".woff2": "font/woff2",
}

func load(files fs.FS) map[string]asset {
	assets := make(map[string]asset)
	err := fs.WalkDir(files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(content)
		assets[requestPath(name)] = asset{
			content:     content,
			contentType: contentTypes[path.Ext(name)],
			etag:        `"` + hex.EncodeToString(sum[:8]) + `"`,
		}
		return nil
	})
	if err != nil {
		panic(fmt.Errorf("read embedded files: %w", err)) // they are in memory
	}
	return assets
}

func requestPath(name string) string {
	if name == "index.html" {
		return "/"
	}
	return "/" + name
}

func (d *demo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	secure(w.Header(), r.Host)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		problem.Respond(w, r, notify.Errorf(notify.ErrMethod, "only GET and HEAD are allowed"))
		return
	}
	if r.URL.Path == "/demo/session.json" {
		d.serveSession(w, r)
		return
	}
	serveAsset(w, r, d.assets)
}

func serveAsset(w http.ResponseWriter, r *http.Request, assets map[string]asset) {
	a, ok := assets[r.URL.Path]
	if !ok {
		problem.Respond(w, r, notify.Errorf(notify.ErrNotFound, "no such page"))
		return
	}
	w.Header().Set("Content-Type", a.contentType)
	w.Header().Set("Cache-Control", "no-cache") // revalidate each time; usually 304
	w.Header().Set("ETag", a.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.content))
}

func (d *demo) serveSession(w http.ResponseWriter, r *http.Request) {
	s, err := d.session()
	if err != nil {
		d.logger.ErrorContext(r.Context(), "demo session cannot be made", "error", err)
		problem.Respond(w, r, err)
		return
	}
	body, err := json.Marshal(s)
	if err != nil {
		d.logger.ErrorContext(r.Context(), "demo session cannot be encoded", "error", err)
		problem.Respond(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(body) // the client has disconnected if this fails
}

// plainHost matches a host that is safe in the policy header: it cannot end a directive.
var plainHost = regexp.MustCompile(`^[A-Za-z0-9.\-]+(:[0-9]+)?$|^\[[0-9A-Fa-f:.]+\](:[0-9]+)?$`)

// secure sets a policy that allows the page to load its own files and to connect to its own
// host, and nothing else. The host is listed because 'self' does not include WebSockets in
// older browsers.
func secure(h http.Header, host string) {
	connect := "connect-src 'self'"
	if plainHost.MatchString(host) {
		connect += " ws://" + host + " wss://" + host
	}
	h.Set("Content-Security-Policy", strings.Join([]string{
		"default-src 'self'",
		connect,
		"object-src 'none'",
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'none'",
		"require-trusted-types-for 'script'", // the page sets text, never HTML
	}, "; "))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
}
