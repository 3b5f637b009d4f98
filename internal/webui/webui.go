// Package webui is what the service has for browsers: the client and the element
// that shows an inbox, which pages load from it, the documents, and the demo page.
//
// Client and element are TypeScript, in client; what is served are the modules
// that are built of it and committed.
//
// The demo page is two users side by side, each with a connection of its own and
// that element, and a form that publishes to them. The page is a client like any
// other; its files are embedded and need nothing from outside.
//
// It promises that the page runs under a strict Content-Security-Policy and
// that only its own session ever holds tokens. Making those tokens, and the
// service that the page talks to, are left to others.
package webui

import (
	"embed"
	"io/fs"
)

//go:embed page
var embedded embed.FS

// Files returns the page's files by their paths below the place where it is
// served: index.html, and the rest in demo.
func Files() fs.FS {
	files, err := fs.Sub(embedded, "page")
	if err != nil {
		panic(err) // "page" is a valid path: the one error that Sub knows
	}
	return files
}

// Session is what the page needs to act for its users.
type Session struct {
	Base      string                `json:"base"`  // the service's base path; "" or "/…"
	Users     map[string]Credential `json:"users"` // "ada" and "grace"
	Publisher Credential            `json:"publisher"`
}

// Credential is a token of someone whom the page acts for.
type Credential struct {
	Token string `json:"token"`
}
