package webui

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// The page, the npm package of swagger-ui, and the AsyncAPI document.
//
//go:embed docs client/asyncapi.yaml
var docsFiles embed.FS

// docsPolicy allows the page to load files of this service and to send requests to it, and
// images in data URLs, which swagger-ui.css has for icons. It cannot require trusted types,
// as the policy of the demo page does, since swagger-ui renders Markdown.
const docsPolicy = "default-src 'self'; img-src 'self' data:; " +
	"object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Docs serves the page that shows /openapi.yaml at /docs, and its files and asyncapi.yaml
// below /docs/. It expects paths without the base path of the service.
func Docs() http.Handler {
	files := docsAssets()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", docsPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		if packed, ok := files.packed[r.URL.Path]; ok {
			servePacked(w, r, packed)
			return
		}
		serveAsset(w, r, files.plain)
	})
}

// docsSet has the files by request path.
type docsSet struct {
	plain  map[string]asset
	packed map[string]asset // compressed with gzip; etag and type are those of the content inside
}

func docsAssets() docsSet {
	set := docsSet{plain: make(map[string]asset), packed: make(map[string]asset)}
	err := fs.WalkDir(docsFiles, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := docsFiles.ReadFile(name)
		if err != nil {
			return err
		}
		urlPath := "/docs/" + path.Base(name)
		if path.Base(name) == "index.html" {
			urlPath = "/docs"
		}
		to := set.plain
		urlPath, packed := strings.CutSuffix(urlPath, ".gz")
		if packed {
			to = set.packed
		}
		sum := sha256.Sum256(content)
		to[urlPath] = asset{content, docsType(urlPath), `"` + hex.EncodeToString(sum[:8]) + `"`}
		return nil
	})
	if err != nil {
		panic(fmt.Errorf("read embedded files: %w", err)) // they are in memory
	}
	return set
}

func docsType(urlPath string) string {
	if t, ok := contentTypes[path.Ext(urlPath)]; ok {
		return t
	}
	if urlPath == "/docs" {
		return contentTypes[".html"]
	}
	return contentTypes[".txt"] // LICENSE and NOTICE
}

// servePacked serves a compressed file as it is to clients that accept gzip, and its content
// to others.
func servePacked(w http.ResponseWriter, r *http.Request, a asset) {
	h := w.Header()
	h.Add("Vary", "Accept-Encoding")
	if acceptsGzip(r.Header) {
		h.Set("Content-Encoding", "gzip")
		a.etag = strings.TrimSuffix(a.etag, `"`) + `-gzip"` // another representation
	} else {
		a.content = unpack(a.content)
	}
	h.Set("Content-Type", a.contentType)
	h.Set("Cache-Control", "no-cache") // revalidate each time; usually 304
	h.Set("ETag", a.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.content))
}

// acceptsGzip reports whether h accepts gzip (RFC 9110, section 12.5.3).
func acceptsGzip(h http.Header) bool {
	for coding := range strings.SplitSeq(strings.Join(h.Values("Accept-Encoding"), ","), ",") {
		name, weight, weighted := strings.Cut(coding, ";")
		if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimPrefix(strings.ToLower(strings.TrimSpace(weight)), "q="), 64)
		return !weighted || err == nil && q > 0
	}
	return false
}

func unpack(packed []byte) []byte {
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		panic(fmt.Errorf("unpack an embedded file: %w", err)) // a test reads them all
	}
	content, err := io.ReadAll(r)
	if err != nil {
		panic(fmt.Errorf("unpack an embedded file: %w", err))
	}
	return content
}
