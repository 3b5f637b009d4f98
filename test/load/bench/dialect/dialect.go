// Package dialect says the same things to the service and to the floor, each in
// the words that it understands: open a user's socket, publish to one, to many,
// to everyone.
package dialect

import (
	"fmt"
	"strings"

	"github.com/bellhop/bellhop/test/load/bench/mark"
)

// Dialect is how one kind of server is spoken to. What it appends are whole
// HTTP/1.1 requests. It is safe for use by several goroutines.
type Dialect interface {
	// Upgrade appends the request that opens the socket of user, resuming from
	// cursor unless that is empty.
	Upgrade(dst []byte, user uint32, cursor []byte) []byte

	// Greets reports whether a socket is ready only with the event `live`,
	// not by its handshake alone.
	Greets() bool

	// Publish appends the request by which publisher sends one notification
	// for each mark, several in a batch.
	Publish(dst []byte, publisher int, marks []mark.Mark, kind Kind) []byte
}

// Kind says whether a notification is kept, and whether it replaces the last.
type Kind int

// The kinds of notification.
const (
	Stored Kind = iota
	Ephemeral
	Collapsing
)

// What every socket asks with and must be answered with. One key does for all:
// it only proves that the server speaks WebSocket.
const (
	key    = "dGhlIHNhbXBsZSBub25jZQ=="
	Accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// dataBytes is the size of every notification's data, as in the measurements
// of other servers.
const dataBytes = 128

// userName is the name of a user, equally long for all.
func userName(user uint32) string { return fmt.Sprintf("load-%08x", user) }

// appendData writes the data of a notification: its mark and some padding.
func appendData(dst []byte, m mark.Mark) []byte {
	start := len(dst)
	dst = append(dst, `{"mark":"`...)
	dst = mark.Append(dst, m)
	dst = append(dst, `","pad":"`...)
	dst = append(dst, strings.Repeat("x", dataBytes-(len(dst)-start)-len(`"}`))...)
	return append(dst, `"}`...)
}

// appendUpgrade writes the head of an upgrade request for target.
func appendUpgrade(dst []byte, target []byte, token string) []byte {
	dst = append(dst, "GET "...)
	dst = append(dst, target...)
	dst = append(dst, " HTTP/1.1\r\nHost: load.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "+key+"\r\nAuthorization: Bearer "...)
	dst = append(dst, token...)
	return append(dst, "\r\n\r\n"...)
}

// appendPost writes a POST of body to target.
func appendPost(dst []byte, target []byte, token string, body []byte) []byte {
	dst = append(dst, "POST "...)
	dst = append(dst, target...)
	dst = append(dst, " HTTP/1.1\r\nHost: load.test\r\nContent-Type: application/json\r\nAuthorization: Bearer "...)
	dst = append(dst, token...)
	dst = fmt.Appendf(dst, "\r\nContent-Length: %d\r\n\r\n", len(body))
	return append(dst, body...)
}
