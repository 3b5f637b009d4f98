// Package httpapi is the service as HTTP sees it: routes, who may pass, strict
// bodies, and every error as problem details of RFC 9457. It promises what
// openapi.yaml says, and leaves the rules of publishing to package service and
// sockets to the handler it is given.
package httpapi
