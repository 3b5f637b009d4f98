package webui

import (
	"embed"
	"fmt"
	"io/fs"
	"net/http"
)

//go:embed client/dist
var clientFiles embed.FS

// Client serves the browser client at /client.js, the element that shows an inbox at
// /inbox.js, and their types at /client.d.ts and /inbox.d.ts. It expects paths without the
// base path of the service.
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
