package hostile

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Opcodes of RFC 6455, section 5.2.
const (
	opMore   = 0x0 // a further fragment
	opText   = 0x1
	opBinary = 0x2
	opClose  = 0x8
	opPing   = 0x9
	opPong   = 0xA
)

// frame is a frame of a client, as right or wrong as a case wants it. What is
// not said is right.
type frame struct {
	op      byte
	payload string
	more    bool    // not the last fragment
	rsv     byte    // the reserved bits: 4, 2, 1
	bare    bool    // not masked
	key     [4]byte // of the mask
	form    int     // bits that say the length: 16 or 64; 0: the fewest that can
	claims  uint64  // the length that is said; 0: that of the payload
}

// bytes returns f as it is on the wire.
func (f frame) bytes() string {
	length := f.claims
	if length == 0 {
		length = uint64(len(f.payload))
	}
	head := []byte{f.op | f.rsv<<4, 0}
	if !f.more {
		head[0] |= 0x80
	}
	switch {
	case f.form == 64 || f.form == 0 && length > 0xFFFF:
		head[1] = 127
		head = binary.BigEndian.AppendUint64(head, length)
	case f.form == 16 || f.form == 0 && length > 125:
		head[1] = 126
		head = binary.BigEndian.AppendUint16(head, uint16(length))
	default:
		head[1] = byte(length)
	}
	if f.bare {
		return string(head) + f.payload
	}
	head[1] |= 0x80
	masked := []byte(f.payload)
	for i := range masked {
		masked[i] ^= f.key[i%4]
	}
	return string(head) + string(f.key[:]) + string(masked)
}

// one returns a whole and correct frame.
func one(op byte, payload string) string {
	return frame{op: op, payload: payload, key: [4]byte{0xA5, 0x5A, 0x0F, 0xF0}}.bytes()
}

// closing is the payload of a close frame.
func closing(code uint16, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, code)) + reason
}

// command is the text of a command that is answered with "reply 7", with white
// space behind it to have size bytes.
func command(size int) string {
	const text = `{"event":"ping","ref":"7"}`
	return text + strings.Repeat(" ", max(0, size-len(text)))
}

// socket is a WebSocket of bare hands: a TCP connection and what was learnt
// from it.
type socket struct {
	net.Conn
	r      *bufio.Reader
	cursor string // the last that came
	event  string // the code of the close event, "" before there was one
}

// dial connects, and nothing more.
func (s *service) dial(t *testing.T) *socket {
	t.Helper()
	conn, err := net.DialTimeout("tcp", s.public, patience)
	require.NoError(t, err)
	return open(t, conn)
}

// open returns a connection that the end of the test closes.
func open(t *testing.T, conn net.Conn) *socket {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	return &socket{Conn: conn, r: bufio.NewReader(conn)}
}

// put writes, as far as the other side takes it: it may have gone, and why is
// learnt by reading.
func (c *socket) put(bytes string) {
	_ = c.SetWriteDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(c.Conn, bytes)
}

// shut says that no more is written.
func (c *socket) shut() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.CloseWrite() // unless the other side has gone
	}
}

const nonce = "dGhlIHNhbXBsZSBub25jZQ=="

// handshake is the request for a WebSocket.
func (s *service) handshake(token, cursor string) string {
	return "GET /ws" + cursor + " HTTP/1.1\r\nHost: " + s.public + "\r\nAuthorization: Bearer " + token + "\r\n" + upgrade + "\r\n"
}

// upgrade are the headers that ask for a WebSocket.
const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + nonce + "\r\n"

// shake upgrades c.
func (c *socket) shake(t *testing.T, request string) {
	t.Helper()
	c.put(request)
	resp, err := http.ReadResponse(c.r, nil)
	require.NoError(t, err)
	require.Equal(t, "101", said(t, resp))
	accept := sha1.Sum([]byte(nonce + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	require.Equal(t, base64.StdEncoding.EncodeToString(accept[:]), resp.Header.Get("Sec-WebSocket-Accept"))
	require.Empty(t, resp.Header.Values("Sec-WebSocket-Extensions"))
}

// live connects a user, and returns when the past is over.
func (s *service) live(t *testing.T, user string) *socket {
	t.Helper()
	c := s.dial(t)
	c.shake(t, s.handshake(s.token(user), ""))
	require.Equal(t, "welcome", c.next(t))
	require.Equal(t, "live", c.next(t))
	return c
}

// read reads a frame of the service, which never fragments, masks or
// compresses.
func (c *socket) read() (op byte, payload []byte, err error) {
	head := make([]byte, 2, 4)
	if _, err := io.ReadFull(c.r, head); err != nil {
		return 0, nil, err
	}
	size := int(head[1])
	switch {
	case head[0]&0xF0 != 0x80 || size > 126:
		return 0, nil, fmt.Errorf("a frame of the service begins with %x", head)
	case size == 126:
		if _, err := io.ReadFull(c.r, head[2:4]); err != nil {
			return 0, nil, err
		}
		size = int(binary.BigEndian.Uint16(head[2:4]))
	}
	payload = make([]byte, size)
	_, err = io.ReadFull(c.r, payload)
	return head[0] & 0x0F, payload, err
}

// next puts the next frame into words: "pong" with its payload, "close" with
// its code, an event with the ref that it answers, the title of a notification
// or the name of a problem; "end" if there is none. A ping of the service is
// answered and is no word.
func (c *socket) next(t *testing.T) string {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
	for {
		op, payload, err := c.read()
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			t.Fatal("nothing comes")
		case err != nil:
			return "end"
		case op == opPing:
			c.put(one(opPong, string(payload)))
			continue
		case op == opPong:
			return "pong " + string(payload)
		case op == opClose && len(payload) == 0:
			return "close"
		case op == opClose:
			code := fmt.Sprint(binary.BigEndian.Uint16(payload))
			if c.event != "" {
				require.Equal(t, c.event, code, "the close event and the close frame differ")
			}
			return "close " + code
		}
		require.EqualValues(t, opText, op)
		if word := c.word(t, payload); word != "" {
			return word
		}
	}
}

// word puts a text frame into words, but for a close event, which the close
// frame is held against.
func (c *socket) word(t *testing.T, text []byte) string {
	t.Helper()
	var f struct {
		Event, Cursor, Ref string
		Data               struct {
			Title, Type string
			Code        int
		}
	}
	require.NoError(t, json.Unmarshal(text, &f), "%s", text)
	if f.Cursor != "" {
		c.cursor = f.Cursor
	}
	switch f.Event {
	case "notification":
		return "notification " + f.Data.Title
	case "reply":
		return "reply " + f.Ref
	case "error":
		return "error " + f.Ref + " " + strings.TrimPrefix(f.Data.Type, "urn:bellhop:problem:")
	case "close":
		c.event = fmt.Sprint(f.Data.Code)
		return ""
	}
	return f.Event
}
