// Package webui serves files to browsers: the client, the custom elements for the inbox and
// for preferences, the documentation of the API, the demo page, and the operators' console.
//
// Client and elements are written in TypeScript, in the directory client, and the console in
// the directory console. What is built from them is committed, and this is served.
//
// The demo page shows two users side by side, each with its own connection and element, and
// a form that publishes to them. All its files are embedded; it loads nothing from other
// hosts. It runs under a strict Content-Security-Policy, and gets tokens only from
// /demo/session.json. The caller makes these tokens.
package webui

import (
	"embed"
	"io/fs"
)

//go:embed page
var embedded embed.FS

// files returns the files of the demo page by their paths below the base path: index.html,
// and the others in demo.
func files() fs.FS {
	files, err := fs.Sub(embedded, "page")
	if err != nil {
		panic(err) // impossible: Sub fails only for an invalid path
	}
	return files
}

// Session has the credentials of the demo page.
type Session struct {
	Base      string                `json:"base"`  // the service's base path; "" or "/…"
	Users     map[string]Credential `json:"users"` // "ada" and "grace"
	Publisher Credential            `json:"publisher"`
}

// Credential is the token of a user or of the publisher.
type Credential struct {
	Token string `json:"token"`
}
