// Package wire reads and writes the JSON of the HTTP API and of version 1 of the
// protocol: drafts, commands, notifications and receipts. Reading is strict, so that no
// value it returns is ambiguous. Whether a request is allowed is not its concern.
package wire
