package webui

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"
)

//go:embed client/dist
var clientFiles embed.FS

// ClientPaths are the paths that Client serves.
func ClientPaths() []string {
	return []string{"/client.js", "/client.d.ts", "/inbox.js", "/inbox.d.ts", "/preferences.js", "/preferences.d.ts"}
}

// Client serves the browser client, the elements for the inbox and for preferences, and the
// types of each, at ClientPaths. It expects paths without the base path of the service.
func Client() http.Handler {
	files, err := fs.Sub(clientFiles, "client/dist")
	if err != nil {
		panic(fmt.Errorf("read embedded files: %w", err)) // they are in memory
	}
	assets := load(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		serveAsset(w, r, assets)
	})
}
