package webui

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
)

//go:embed console/dist
var consoleFiles embed.FS

// consolePolicy allows the page to load its own files, to send requests to its own host, and
// images in data URLs. The page inserts text only, so it can require trusted types.
const consolePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

// Console serves the page of the operators' console at /console, and its files below /console/.
// They hold no data and need no token: the page gets both from other routes below /console/,
// which are not served here.
func Console() http.Handler {
	files, err := fs.Sub(consoleFiles, "console/dist")
	if err != nil {
		panic(fmt.Errorf("read embedded files: %w", err)) // they are in memory
	}
	assets := make(map[string]asset)
	for path, a := range load(files) {
		assets[strings.TrimSuffix("/console"+path, "/")] = a
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", consolePolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		serveAsset(w, r, assets)
	})
}
