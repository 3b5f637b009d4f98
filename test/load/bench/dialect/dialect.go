// Package dialect writes the requests of the load tool for the service and for the floor:
// to open a user's socket, and to publish to one user, to many, or to all.
package dialect

import (
	"fmt"
	"strings"

	"github.com/bellhop/bellhop/test/load/bench/mark"
)

// Dialect writes complete HTTP/1.1 requests for one kind of server. It is safe for
// concurrent use.
type Dialect interface {
	// Upgrade appends the request that opens the socket of user, resuming from
	// cursor unless that is empty.
	Upgrade(dst []byte, user uint32, cursor []byte) []byte

	// Greets reports whether a socket is ready only after the event `live`, and not
	// already after its handshake.
	Greets() bool

	// Publish appends the request with which a publisher publishes one notification for
	// each mark. Several marks are a batch.
	Publish(dst []byte, publisher int, marks []mark.Mark, kind Kind) []byte
}

// Kind is the kind of a notification: whether it is stored, and whether it replaces the
// last one.
type Kind int

// The kinds of notification.
const (
	Stored Kind = iota
	Ephemeral
	Collapsing
)

// The key of every handshake, and the value that the server must answer with. All sockets
// use the same key, because it only proves that the server speaks WebSocket.
const (
	key    = "dGhlIHNhbXBsZSBub25jZQ=="
	Accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// dataBytes is the size of every notification's data.
const dataBytes = 128

// UserName returns the name of a user. All names have the same length.
func UserName(user uint32) string { return fmt.Sprintf("load-%08x", user) }

// appendData appends the data of a notification: its mark and padding.
func appendData(dst []byte, m mark.Mark) []byte {
	start := len(dst)
	dst = append(dst, `{"mark":"`...)
	dst = mark.Append(dst, m)
	dst = append(dst, `","pad":"`...)
	dst = append(dst, strings.Repeat("x", dataBytes-(len(dst)-start)-len(`"}`))...)
	return append(dst, `"}`...)
}

// appendUpgrade appends an upgrade request for target.
func appendUpgrade(dst []byte, target []byte, token string) []byte {
	dst = append(dst, "GET "...)
	dst = append(dst, target...)
	dst = append(dst, " HTTP/1.1\r\nHost: load.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "+key+"\r\nAuthorization: Bearer "...)
	dst = append(dst, token...)
	return append(dst, "\r\n\r\n"...)
}

// appendPost appends a POST of body to target.
func appendPost(dst []byte, target []byte, token string, body []byte) []byte {
	dst = append(dst, "POST "...)
	dst = append(dst, target...)
	dst = append(dst, " HTTP/1.1\r\nHost: load.test\r\nContent-Type: application/json\r\nAuthorization: Bearer "...)
	dst = append(dst, token...)
	dst = fmt.Appendf(dst, "\r\nContent-Length: %d\r\n\r\n", len(body))
	return append(dst, body...)
}
