package nowait

import (
	"bytes"
	"net"
	"sync/atomic"
)

// Lengths returns the counter of the Content-Length lines that c has received, or nil if
// Listen did not accept c.
func Lengths(c net.Conn) *LengthLines {
	if c, ok := c.(*conn); ok {
		return &c.lengths
	}
	return nil
}

// LengthLines counts the lines of a byte stream that begin with "Content-Length:"
// in any case. net/http hides the Content-Length of a request that has a
// Transfer-Encoding too, as if there were none.
type LengthLines struct {
	seen    atomic.Uint64
	known   uint64 // lines of the requests so far; touched by Account alone
	matched int    // bytes of lengthLine that the stream ends with; used by the reader alone
}

const lengthLine = "\ncontent-length:"

// Account is called for each request, in order, with the number of its Content-Length
// lines that net/http shows. It reports whether more have been received. The others may
// belong to a later request that was read ahead.
func (l *LengthLines) Account(lines int) (more bool) {
	l.known += uint64(lines) //nolint:gosec // a number of lines
	return l.seen.Load() > l.known
}

// scan reads the next bytes of the stream. The first byte of lengthLine occurs only once
// in it, so after a mismatch a match can only begin at the byte that did not match.
func (l *LengthLines) scan(p []byte) {
	for len(p) > 0 {
		if l.matched == 0 {
			at := bytes.IndexByte(p, '\n')
			if at < 0 {
				return
			}
			p, l.matched = p[at+1:], 1
			continue
		}
		switch b := p[0]; {
		case lower(b) == lengthLine[l.matched]:
			p = p[1:]
			if l.matched++; l.matched == len(lengthLine) {
				l.seen.Add(1)
				l.matched = 0
			}
		default:
			l.matched = 0 // b is compared again: it may be a line feed
		}
	}
}

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		return b + 'a' - 'A'
	}
	return b
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	c.lengths.scan(p[:n])
	return n, err //nolint:wrapcheck // net/http examines it
}
