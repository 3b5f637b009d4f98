package ws

import (
	"log/slog"
	"strconv"
	"unicode/utf8"

	"github.com/bellhop/bellhop/internal/notify"
)

// previewSize is how many bytes from a peer are logged: enough to recognise what it
// speaks.
const previewSize = 15

// preview is the beginning of some bytes.
type preview struct {
	n     uint8
	bytes [previewSize]byte
}

func (p *preview) set(b []byte) {
	p.n = uint8(copy(p.bytes[:], b)) //nolint:gosec // at most previewSize
}

// violation logs that the peer has violated the protocol, and with which bytes: those
// given, or else the beginning of those that were read last. It returns why the
// connection must end. A connection is logged once: after the first violation it has
// ended.
func (s *socket) violation(why notify.Close, sent []byte, err error) *notify.Close {
	attrs := []any{slog.String("connection", "")}
	if s.net.conn != nil {
		if s.net.conn.Ended() {
			return &why
		}
		attrs = s.net.conn.LogAttrs()
	}
	if sent == nil && s.net.in != nil {
		last := &s.net.in.last
		sent = last.bytes[:last.n]
	}
	attrs = append(attrs, slog.Int("code", why.Code), slog.String("reason", why.Reason),
		slog.String("sent", strconv.QuoteToASCII(masked(sent[:min(len(sent), previewSize)]))))
	if err != nil { // from this package or gorilla, neither of which quotes the peer
		attrs = append(attrs, slog.Any("error", err))
	}
	s.handler.opts.Logger.Info("peer broke the protocol", attrs...)
	return &why
}

// masked returns p with a star for each byte that may belong to a token or key: letters
// and digits, where eight or more are adjacent.
func masked(p []byte) string {
	m := []byte(string(p))
	from := 0
	for i := range len(m) + 1 {
		if i < len(m) && isTokenByte(p[i]) {
			continue
		}
		if i-from >= 8 {
			for k := from; k < i; k++ {
				m[k] = '*'
			}
		}
		from = i + 1
	}
	return string(m)
}

func isTokenByte(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' ||
		b == '-' || b == '_' || b == '.' || b == '+' || b == '/'
}

// fromInvalid returns text from shortly before its first byte that is not UTF-8.
func fromInvalid(text []byte) []byte {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return text[max(0, i-previewSize/2):]
		}
		i += size
	}
	return text
}
