//go:build linux

package publish

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Line is a keep-alive connection for infrequent requests, such as broadcasts. It must be
// used by one goroutine.
type Line struct {
	conn   net.Conn
	answer []byte
}

// Dial opens a line to a server. The caller must Close it.
func Dial(server netip.AddrPort) (*Line, error) {
	conn, err := net.Dial("tcp", server.String())
	if err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	return &Line{conn: conn, answer: make([]byte, 64<<10)}, nil
}

// Close closes the line.
func (l *Line) Close() error { return l.conn.Close() }

// Post sends a request with one notification and returns once it has been
// accepted.
func (l *Line) Post(request []byte) error {
	if err := l.conn.SetDeadline(time.Now().Add(responseTimeout)); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	if _, err := l.conn.Write(request); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	got := 0
	for {
		n, err := l.conn.Read(l.answer[got:])
		if err != nil {
			return fmt.Errorf("publish: %w", err)
		}
		got += n
		if err := check(l.answer[:got], 1); !errors.Is(err, errShort) {
			return err
		}
	}
}
