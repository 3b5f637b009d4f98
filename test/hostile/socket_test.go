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

// frame is a frame of a client, valid or not. With zero values it is a valid frame.
type frame struct {
	op       byte
	payload  string
	more     bool // not the last fragment
	rsv      byte // the reserved bits: 4, 2, 1
	unmasked bool
	key      [4]byte // of the mask
	form     int     // bits of the length field: 16 or 64; 0 means the fewest possible
	claims   uint64  // the length in the header; 0 means that of the payload
}

// bytes returns the encoding of f.
func (f frame) bytes() string {
	length := f.claims
	if length == 0 {
		length = uint64(len(f.payload))
	}
	header := []byte{f.op | f.rsv<<4, 0}
	if !f.more {
		header[0] |= 0x80
	}
	switch {
	case f.form == 64 || f.form == 0 && length > 0xFFFF:
		header[1] = 127
		header = binary.BigEndian.AppendUint64(header, length)
	case f.form == 16 || f.form == 0 && length > 125:
		header[1] = 126
		header = binary.BigEndian.AppendUint16(header, uint16(length))
	default:
		header[1] = byte(length)
	}
	if f.unmasked {
		return string(header) + f.payload
	}
	header[1] |= 0x80
	masked := []byte(f.payload)
	for i := range masked {
		masked[i] ^= f.key[i%4]
	}
	return string(header) + string(f.key[:]) + string(masked)
}

// one returns a valid frame that is not fragmented.
func one(op byte, payload string) string {
	return frame{op: op, payload: payload, key: [4]byte{0xA5, 0x5A, 0x0F, 0xF0}}.bytes()
}

// closing returns the payload of a close frame.
func closing(code uint16, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, code)) + reason
}

// command returns a command that is answered with "reply 7", padded with white space to
// size bytes.
func command(size int) string {
	const text = `{"event":"ping","ref":"7"}`
	return text + strings.Repeat(" ", max(0, size-len(text)))
}

// socket is a TCP connection on which tests write HTTP requests and WebSocket frames by
// hand.
type socket struct {
	net.Conn
	r      *bufio.Reader
	cursor string // last cursor received
	event  string // code of the close event, empty before it
}

// dial opens a TCP connection to the service.
func (s *service) dial(t *testing.T) *socket {
	t.Helper()
	conn, err := net.DialTimeout("tcp", s.public, timeout)
	require.NoError(t, err)
	return open(t, conn)
}

// open returns a socket on conn, which is closed at the end of the test.
func open(t *testing.T, conn net.Conn) *socket {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	return &socket{Conn: conn, r: bufio.NewReader(conn)}
}

// put writes bytes and ignores errors, because the service may have closed the
// connection. Tests learn the reason by reading.
func (c *socket) put(bytes string) {
	_ = c.SetWriteDeadline(time.Now().Add(timeout))
	_, _ = io.WriteString(c.Conn, bytes)
}

// closeWrite closes the sending direction of the connection.
func (c *socket) closeWrite() {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		_ = tcp.CloseWrite() // fails if the service has closed the connection
	}
}

const nonce = "dGhlIHNhbXBsZSBub25jZQ=="

// handshake returns the request that opens a WebSocket.
func (s *service) handshake(token, cursor string) string {
	return "GET /ws" + cursor + " HTTP/1.1\r\nHost: " + s.public + "\r\nAuthorization: Bearer " + token + "\r\n" + upgrade + "\r\n"
}

// upgrade has the headers of a WebSocket handshake, without the token.
const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + nonce + "\r\n"

// upgrade performs a WebSocket handshake on c.
func (c *socket) upgrade(t *testing.T, request string) {
	t.Helper()
	c.put(request)
	resp, err := http.ReadResponse(c.r, nil)
	require.NoError(t, err)
	require.Equal(t, "101", statusWords(t, resp))
	accept := sha1.Sum([]byte(nonce + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	require.Equal(t, base64.StdEncoding.EncodeToString(accept[:]), resp.Header.Get("Sec-WebSocket-Accept"))
	require.Empty(t, resp.Header.Values("Sec-WebSocket-Extensions"))
}

// live connects a user and returns after the live event.
func (s *service) live(t *testing.T, user string) *socket {
	t.Helper()
	c := s.dial(t)
	c.upgrade(t, s.handshake(s.token(user), ""))
	require.Equal(t, "welcome", c.next(t))
	require.Equal(t, "live", c.next(t))
	return c
}

// read reads a frame of the service. The service never fragments, masks or compresses.
func (c *socket) read() (op byte, payload []byte, err error) {
	header := make([]byte, 2, 4)
	if _, err := io.ReadFull(c.r, header); err != nil {
		return 0, nil, err
	}
	size := int(header[1])
	switch {
	case header[0]&0xF0 != 0x80 || size > 126:
		return 0, nil, fmt.Errorf("unexpected frame header of the service: %x", header)
	case size == 126:
		if _, err := io.ReadFull(c.r, header[2:4]); err != nil {
			return 0, nil, err
		}
		size = int(binary.BigEndian.Uint16(header[2:4]))
	}
	payload = make([]byte, size)
	_, err = io.ReadFull(c.r, payload)
	return header[0] & 0x0F, payload, err
}

// next reads the next frame and describes it in words: "pong" with its payload, "close"
// with its code, or an event with its ref, the title of its notification or the type of
// its problem. At the end of the connection it returns "end". Pings of the service are
// answered and skipped.
func (c *socket) next(t *testing.T) string {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(time.Now().Add(timeout)))
	for {
		op, payload, err := c.read()
		var netErr net.Error
		switch {
		case errors.As(err, &netErr) && netErr.Timeout():
			t.Fatal("no frame arrives")
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

// word describes a text frame in words. For a close event it returns "" and remembers the
// code, which next compares with that of the close frame.
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
