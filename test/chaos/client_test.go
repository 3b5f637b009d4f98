//go:build linux

package chaos

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/coder/websocket"

	"github.com/bellhop/bellhop/test/slow"
	"github.com/bellhop/bellhop/test/traffic"
)

// client is a user's device, which receives numbered notifications and resumes from its last
// cursor. Its methods may be called by one goroutine at a time.
type client struct {
	p      *process
	token  string
	events bool                    // over the event stream instead of a WebSocket
	wrap   func(net.Conn) net.Conn // of each new connection, unless nil
	small  bool                    // the kernels hold a few kB of unread data, instead of megabytes

	conn   *net.TCPConn
	stream stream // nil: not connected
	cursor string

	received []int // numbers in order, without repetitions by ID
	ids      map[string]bool
	resets   int
}

// stream is an open WebSocket or event stream.
type stream interface {
	next(ctx context.Context) (event, cursor string, data []byte, err error)
	close()
}

// connect opens a connection at the last cursor.
func (c *client) connect(ctx context.Context) (err error) {
	dialer := &net.Dialer{}
	if c.small {
		dialer = slow.Receiver(4<<10, 536) // the kernel's send buffer is 20 segments
	}
	dialer.Timeout = timeout
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		c.conn = conn.(*net.TCPConn)
		if c.wrap != nil {
			conn = c.wrap(conn)
		}
		return conn, nil
	}}
	header := http.Header{"Authorization": {"Bearer " + c.token}}
	if c.events {
		c.stream, err = openEvents(ctx, &http.Client{Transport: transport}, c.p.url+"/events?cursor="+c.cursor, header)
		return err
	}
	ws, _, err := websocket.Dial(ctx, c.p.url+"/ws?cursor="+c.cursor, &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}, HTTPHeader: header})
	if err != nil {
		return err
	}
	ws.SetReadLimit(1 << 20)
	c.stream = socketStream{ws}
	return nil
}

// next reads an event and remembers its cursor and its notification.
func (c *client) next(ctx context.Context) (event string, err error) {
	event, cursor, data, err := c.stream.next(ctx)
	if err != nil {
		return "", err
	}
	if cursor != "" {
		c.cursor = cursor
	}
	switch event {
	case "reset":
		c.resets++
	case "notification":
		var n struct{ ID, Title string }
		if err := json.Unmarshal(data, &n); err != nil {
			return "", err
		}
		number, err := strconv.Atoi(n.Title)
		if err != nil || c.ids[n.ID] {
			return event, err
		}
		if c.ids == nil {
			c.ids = map[string]bool{}
		}
		c.ids[n.ID] = true
		c.received = append(c.received, number)
	}
	return event, nil
}

// until reads up to an event.
func (c *client) until(ctx context.Context, last string) error {
	for {
		event, err := c.next(ctx)
		if err != nil || event == last {
			return err
		}
	}
}

// catchUp reads until n notifications have arrived. It connects again whenever the connection
// ends.
func (c *client) catchUp(ctx context.Context, n int) error {
	for len(c.received) < n {
		if c.stream != nil {
			if _, err := c.next(ctx); err == nil {
				continue
			}
			c.stream.close()
			c.stream = nil
		}
		if err := c.connect(ctx); err != nil {
			select {
			case <-ctx.Done():
				return fmt.Errorf("%d of %d have arrived: %w", len(c.received), n, err)
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	return nil
}

// cut closes the connection at once, without any farewell.
func (c *client) cut() error {
	if err := c.conn.SetLinger(0); err != nil {
		return err
	}
	c.stream.close()
	c.stream = nil
	return nil
}

// vanish makes the client's machine drop everything that arrives on the connection, as if the
// machine were gone: the service gets neither an acknowledgement nor a FIN.
func (c *client) vanish() error {
	raw, err := c.conn.SyscallConn()
	if err != nil {
		return err
	}
	var attached error
	err = raw.Control(func(fd uintptr) {
		const returnConstant = 0x06                                                               // BPF_RET | BPF_K: the number of bytes to keep
		attached = syscall.AttachLsf(int(fd), []syscall.SockFilter{{Code: returnConstant, K: 0}}) //nolint:staticcheck // the suggested package has no more than this
	})
	return errors.Join(err, attached)
}

// outcome compares the numbers below n with those that arrived.
func (c *client) outcome(n int) traffic.Outcome {
	want := make([]int, n)
	for i := range want {
		want[i] = i
	}
	o := compare(want, c.received)
	o.Announced = c.resets
	return o
}

type socketStream struct{ ws *websocket.Conn }

func (s socketStream) next(ctx context.Context) (event, cursor string, data []byte, err error) {
	_, b, err := s.ws.Read(ctx)
	if err != nil {
		return "", "", nil, err
	}
	var f struct {
		Event, Cursor string
		Data          json.RawMessage
	}
	err = json.Unmarshal(b, &f)
	return f.Event, f.Cursor, f.Data, err
}

func (s socketStream) close() { _ = s.ws.CloseNow() }

type eventStream struct {
	resp *http.Response
	r    *bufio.Reader
}

func openEvents(ctx context.Context, c *http.Client, url string, header http.Header) (stream, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	r.Header = header
	resp, err := c.Do(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, errors.New(resp.Status)
	}
	return &eventStream{resp, bufio.NewReader(resp.Body)}, nil
}

func (s *eventStream) next(context.Context) (event, cursor string, data []byte, err error) {
	for {
		line, err := s.r.ReadBytes('\n')
		if err != nil {
			return "", "", nil, err
		}
		line = bytes.TrimRight(line, "\n")
		name, value, _ := strings.Cut(string(line), ": ")
		switch name {
		case "event":
			event = value
		case "id":
			cursor = value
		case "data":
			data = []byte(value)
		case "":
			if len(line) == 0 && event != "" {
				return event, cursor, data, nil
			}
		}
	}
}

func (s *eventStream) close() { s.resp.Body.Close() }
