//go:build linux

package crowd_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop/bellhop/test/load/bench/crowd"
	"github.com/bellhop/bellhop/test/load/bench/dialect"
	"github.com/bellhop/bellhop/test/load/bench/frame"
	"github.com/bellhop/bellhop/test/load/bench/mark"
)

// text returns a frame with an event.
func text(s string) []byte { return frame.Append(nil, frame.Text, []byte(s)) }

// notification returns a frame with a notification.
func notification(m mark.Mark) []byte {
	return text(`{"event":"notification","cursor":"c` + fmt.Sprint(m.Sequence) + `","data":{"mark":"` +
		string(mark.Append(nil, m)) + `"}}`)
}

func live() []byte { return text(`{"event":"live","cursor":"c0","data":{}}`) }

// serve accepts every upgrade and then sends the bytes that script returns for the
// request, a few at a time.
func serve(t *testing.T, script func(r *http.Request) []byte) netip.AddrPort {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		send(conn, []byte("HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: "+dialect.Accept+"\r\n\r\n"))
		send(conn, script(r))
		_, _ = io.Copy(io.Discard, conn) // until the client leaves
	}))
	t.Cleanup(server.Close)
	return netip.MustParseAddrPort(server.Listener.Addr().String())
}

func send(conn net.Conn, data []byte) {
	for len(data) > 0 {
		n, err := conn.Write(data[:min(7, len(data))])
		if err != nil {
			return
		}
		data = data[n:]
	}
}

func newCrowd(t *testing.T, server netip.AddrPort, size int) *crowd.Crowd {
	t.Helper()
	c, err := crowd.New(crowd.Options{
		Server: server, Size: size, Loops: 2, Epoch: time.Now(), KeepCursors: true,
		Dialect: dialect.NewService(strings.Repeat("s", 32), 1),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestCountsReceivedNotifications(t *testing.T) {
	c := newCrowd(t, serve(t, func(*http.Request) []byte {
		out := live()
		for n := range uint32(3) {
			out = append(out, notification(mark.Mark{Lane: 1, User: mark.Everyone, Sequence: n + 1})...)
		}
		return out
	}), 50)
	if _, err := c.Connect(t.Context(), 8); err != nil {
		t.Fatal(err)
	}
	if err := c.Await(t.Context(), 1, 150); err != nil {
		t.Fatal(err)
	}
	if n := c.Latencies().Count(); n != 150 {
		t.Errorf("%d latencies", n)
	}
	if f := c.Faults(); f.Any() {
		t.Error(f)
	}
}

func TestDetectsFaults(t *testing.T) {
	for name, test := range map[string]struct {
		says []byte
		want crowd.Faults
	}{
		"nothing":    {frame.Append(nil, frame.Ping, []byte("ping")), crowd.Faults{}},
		"lost":       {notification(mark.Mark{Sequence: 4}), crowd.Faults{Lost: 2}},
		"repeated":   {notification(mark.Mark{Sequence: 1}), crowd.Faults{Repeated: 1}},
		"other user": {notification(mark.Mark{User: 1, Sequence: 1}), crowd.Faults{Misdelivered: 1}},
		"reset":      {text(`{"event":"reset","data":{"reason":"unknown"}}`), crowd.Faults{Resets: 1}},
		"error":      {text(`{"event":"error","data":{}}`), crowd.Faults{Unreadable: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCrowd(t, serve(t, func(*http.Request) []byte {
				out := append(live(), notification(mark.Mark{Sequence: 1})...)
				out = append(out, test.says...)
				return append(out, notification(mark.Mark{Lane: 1, User: mark.Everyone, Sequence: 1})...)
			}), 1)
			if _, err := c.Connect(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			if err := c.Await(t.Context(), 1, 1); err != nil {
				t.Fatal(err)
			}
			got := c.Faults()
			if got.Any() != (got.First != "") {
				t.Errorf("the first of %v", got)
			}
			if got.First = ""; got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestDetectsDifferentOrdersOfBroadcasts(t *testing.T) {
	one := notification(mark.Mark{Lane: 1, User: mark.Everyone, Sequence: 1})
	two := notification(mark.Mark{Lane: 2, User: mark.Everyone, Sequence: 1})
	for name, test := range map[string]struct {
		odd  []byte // sent to every second client
		want int
	}{
		"the same":  {slices.Concat(one, two), 1},
		"different": {slices.Concat(two, one), 2},
	} {
		t.Run(name, func(t *testing.T) {
			var clients atomic.Int64
			c := newCrowd(t, serve(t, func(*http.Request) []byte {
				if clients.Add(1)%2 == 1 {
					return append(live(), test.odd...)
				}
				return slices.Concat(live(), one, two)
			}), 4)
			if _, err := c.Connect(t.Context(), 4); err != nil {
				t.Fatal(err)
			}
			for lane := range 2 {
				if err := c.Await(t.Context(), lane+1, 4); err != nil {
					t.Fatal(err)
				}
			}
			if got := c.Orders(); got != test.want || c.Faults().Any() {
				t.Errorf("%d orders, want %d; %v", got, test.want, c.Faults())
			}
		})
	}
}

func TestDetectsClosedConnections(t *testing.T) {
	for name, test := range map[string]struct {
		says []byte
		want crowd.Faults
	}{
		"binary":   {[]byte{0x82, 0}, crowd.Faults{Unreadable: 1}},
		"too slow": {frame.Append(nil, frame.Close, []byte{0x11, 0x38}), crowd.Faults{Closed: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCrowd(t, serve(t, func(*http.Request) []byte { return append(live(), test.says...) }), 1)
			if _, err := c.Connect(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			got := c.Faults()
			for !got.Any() && t.Context().Err() == nil {
				got = c.Faults() // waits for the loop, which reads meanwhile
			}
			if got.First = ""; got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

func TestReconnectsWithItsCursor(t *testing.T) {
	cursors := make(chan string, 2)
	c := newCrowd(t, serve(t, func(r *http.Request) []byte {
		cursor := r.URL.Query().Get("cursor")
		cursors <- cursor
		if cursor == "" {
			return append(live(), notification(mark.Mark{Sequence: 1})...)
		}
		return append(notification(mark.Mark{Sequence: 2}), live()...)
	}), 1)
	for n := range int64(2) {
		if _, err := c.Connect(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		if err := c.Await(t.Context(), 0, n+1); err != nil {
			t.Fatal(err)
		}
		c.Drop()
	}
	if first, second := <-cursors, <-cursors; first != "" || second != "c1" {
		t.Errorf("connected with %q, then with %q", first, second)
	}
	if f := c.Faults(); f.Any() {
		t.Error(f)
	}
}

func TestConnectErrorHasTheResponse(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "invalid token", http.StatusUnauthorized)
	}))
	defer server.Close()
	c := newCrowd(t, netip.MustParseAddrPort(server.Listener.Addr().String()), 1)
	if _, err := c.Connect(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "invalid token") {
		t.Errorf("got %v", err)
	}
}
