package ws

import (
	"log/slog"
	"strconv"
	"unicode/utf8"

	"github.com/bellhop/bellhop/internal/notify"
)

// mostShown is how many bytes of what a peer sent are logged: enough to tell
// what it speaks.
const mostShown = 15

// glimpse is how something begins.
type glimpse struct {
	n     uint8
	bytes [mostShown]byte
}

func (g *glimpse) take(p []byte) {
	g.n = uint8(copy(g.bytes[:], p)) //nolint:gosec // at most mostShown
}

// breach logs that the peer has broken the protocol, and with which bytes:
// those given, or else how the last began that were read. It returns why the
// connection is to end; that, too, happens once.
func (s *socket) breach(why notify.Close, sent []byte, err error) *notify.Close {
	if s.conn.Ended() { // whatever comes then is not listened to
		return &why
	}
	if sent == nil && s.door.in != nil {
		last := &s.door.in.last
		sent = last.bytes[:last.n]
	}
	attrs := []any{
		slog.String("connection", s.conn.ID()), slog.Int("code", why.Code), slog.String("reason", why.Reason),
		slog.String("sent", strconv.QuoteToASCII(masked(sent[:min(len(sent), mostShown)]))),
	}
	if err != nil { // ours or gorilla's, neither of which quotes the peer
		attrs = append(attrs, slog.Any("error", err))
	}
	s.handler.opts.Logger.Info("peer broke the protocol", attrs...)
	return &why
}

// masked returns p with a star for what may be a part of a token or key: its
// letters and digits, where eight or more stand together.
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

// fromInvalid returns text from shortly before the first byte that is no UTF-8.
func fromInvalid(text []byte) []byte {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return text[max(0, i-mostShown/2):]
		}
		i += size
	}
	return text
}
