//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/bellhop/bellhop/test/load/bench/dialect"
	"github.com/bellhop/bellhop/test/load/bench/frame"
)

// opened is what a connection received up to its event `live`.
type opened struct {
	cursor        []byte
	notifications int
}

// openTimeout is the time within which a connection must be live.
const openTimeout = 10 * time.Second

// open opens a WebSocket from a cursor, which may be nil, and closes it when it is live.
func open(ctx context.Context, of netip.AddrPort, speaks dialect.Dialect, user uint32, cursor []byte) (o opened, err error) {
	dialer := net.Dialer{Timeout: openTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", of.String())
	if err != nil {
		return o, fmt.Errorf("open a socket: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := conn.SetDeadline(time.Now().Add(openTimeout)); err != nil {
		return o, err
	}
	if _, err := conn.Write(speaks.Upgrade(nil, user, cursor)); err != nil {
		return o, fmt.Errorf("open a socket: %w", err)
	}
	data, upgraded := make([]byte, 0, 64<<10), false
	for {
		n, err := conn.Read(data[len(data):cap(data)])
		if err != nil {
			return o, fmt.Errorf("open a socket, received %.300q: %w", data, err)
		}
		data = data[:len(data)+n]
		if !upgraded {
			_, rest, ok := bytes.Cut(data, []byte("\r\n\r\n"))
			if !ok {
				continue
			}
			data, upgraded = append(data[:0], rest...), true
		}
		live, err := o.receive(&data)
		if live || err != nil {
			return o, err
		}
	}
}

// receive handles the complete frames in data and leaves the rest. It reports whether the connection
// is live.
func (o *opened) receive(data *[]byte) (live bool, err error) {
	rest := *data
	defer func() { *data = append((*data)[:0], rest...) }()
	for {
		f, after, err := frame.Next(rest)
		if errors.Is(err, frame.ErrShort) {
			return false, nil
		}
		if err != nil || f.Op == frame.Close {
			return false, errors.Join(err, fmt.Errorf("%w: the socket was closed: %.300q", errFault, f.Payload))
		}
		rest = after
		switch {
		case bytes.HasPrefix(f.Payload, []byte(`{"event":"notification"`)):
			o.notifications++
		case bytes.HasPrefix(f.Payload, []byte(`{"event":"live"`)):
			o.cursor = cursorOf(f.Payload)
			return true, nil
		case bytes.HasPrefix(f.Payload, []byte(`{"event":"reset"`)):
			return false, fmt.Errorf("%w: %s", errFault, f.Payload)
		}
	}
}

// cursorOf returns a copy of the cursor of an event.
func cursorOf(event []byte) []byte {
	_, rest, _ := bytes.Cut(event, []byte(`"cursor":"`))
	cursor, _, _ := bytes.Cut(rest, []byte(`"`))
	return bytes.Clone(cursor)
}
