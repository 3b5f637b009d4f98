// Package httpapi serves the HTTP API that openapi.yaml describes: routes, access,
// bodies, and errors as problem details. It leaves the rules of publishing and
// inboxes to package service, and open connections to the handlers of WebSockets and
// event streams that it is given.
package httpapi
