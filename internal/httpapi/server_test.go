package httpapi_test

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/httpapi"
)

func TestServerHasTimeoutsAndLimits(t *testing.T) {
	server := httpapi.NewServer(http.NotFoundHandler(), 16<<10, slog.New(slog.DiscardHandler))
	require.Equal(t, 10*time.Second, server.ReadHeaderTimeout)
	require.NotZero(t, server.IdleTimeout)
	require.Equal(t, 16<<10, server.MaxHeaderBytes)
	require.NotZero(t, server.WriteTimeout) // sockets and streams have deadlines of their own
	require.NotNil(t, server.ErrorLog)
}

// TestAddress reads the address of the client from the debug log.
func TestAddress(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::ffff:172.16.0.0/108")}
	for name, test := range map[string]struct {
		trusted   []netip.Prefix
		peer      string
		forwarded []string
		want      string
	}{
		"none trusted":          {nil, "192.0.2.1:1", []string{"198.51.100.7"}, "192.0.2.1"},
		"loopback, not trusted": {trusted, "127.0.0.1:1", []string{"198.51.100.7"}, "127.0.0.1"},
		"peer not trusted":      {trusted, "203.0.113.9:1", []string{"198.51.100.7"}, "203.0.113.9"},
		"right-most untrusted":  {trusted, "192.0.2.1:1", []string{"1.1.1.1, 198.51.100.7, 10.1.2.3"}, "198.51.100.7"},
		"over several lines":    {trusted, "192.0.2.1:1", []string{"1.1.1.1", "198.51.100.7"}, "198.51.100.7"},
		"not an address":        {trusted, "192.0.2.1:1", []string{"unknown"}, "192.0.2.1"},
		"a hop with a port":     {trusted, "192.0.2.1:1", []string{"1.1.1.1, 198.51.100.7:99,10.0.0.1:80"}, "198.51.100.7"},
		"IPv6 with a port":      {trusted, "192.0.2.1:1", []string{"[2001:db8::7]:99"}, "2001:db8::7"},
		"IPv6 in brackets":      {trusted, "[::ffff:192.0.2.1]:1", []string{"[2001:db8::7]"}, "2001:db8::7"},
		"IPv4 as IPv6":          {trusted, "192.0.2.1:1", []string{"::ffff:198.51.100.7, ::ffff:10.0.0.1"}, "198.51.100.7"},
		"a network as IPv6":     {trusted, "172.16.3.4:1", []string{"198.51.100.7"}, "198.51.100.7"},
		"a zone":                {trusted, "192.0.2.1:1", []string{"fe80::7%eth0"}, "fe80::7"},
		"an empty hop":          {trusted, "192.0.2.1:1", []string{"198.51.100.7,"}, "192.0.2.1"},
		"an empty line":         {trusted, "192.0.2.1:1", []string{"198.51.100.7", ""}, "192.0.2.1"},
		"garbage behind one":    {trusted, "192.0.2.1:1", []string{"198.51.100.7, unknown, 10.0.0.1"}, "10.0.0.1"},
		"half a bracket":        {trusted, "192.0.2.1:1", []string{"[198.51.100.7:99"}, "192.0.2.1"},
		"garbage on the left":   {trusted, "192.0.2.1:1", []string{"<script>, 198.51.100.7"}, "198.51.100.7"},
		"garbage on the right":  {trusted, "192.0.2.1:1", []string{"198.51.100.7, <script>"}, "192.0.2.1"},
		"IPv6":                  {trusted, "192.0.2.1:1", []string{"2001:db8::7"}, "2001:db8::7"},
		"all trusted":           {trusted, "192.0.2.1:1", []string{"10.0.0.1, 10.0.0.2"}, "10.0.0.1"},
		"no header":             {trusted, "192.0.2.1:1", nil, "192.0.2.1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFakeService(t)
			o := s.options()
			o.TrustedProxies = test.trusted
			r := httptest.NewRequest("GET", "/livez", nil)
			r.RemoteAddr = test.peer
			r.Header["X-Forwarded-For"] = test.forwarded
			r.Header.Set("X-Real-Ip", "1.2.3.4")
			httpapi.NewAPI(o).Public().ServeHTTP(httptest.NewRecorder(), r)
			require.Contains(t, s.logs.String(), "address="+test.want+" ")
		})
	}
}

// TestBrokenBody closes the connection in the middle of a body. Nothing is published.
func TestBrokenBody(t *testing.T) {
	s := start(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "POST /notify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n"+
		"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Contains(t, string(answer), "HTTP/1.1 400")
	require.Contains(t, string(answer), "urn:bellhop:problem:malformed")
	require.Empty(t, s.publisher.calls)
}

// HTTP/1.0 has no upgrades.
func TestOldHTTP(t *testing.T) {
	s := start(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET /ws HTTP/1.0\r\nAuthorization: Bearer good\r\nConnection: Upgrade\r\n"+
		"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	require.NoError(t, err)
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.Contains(t, string(answer), " 426 ")
}

// A connection whose Content-Length lines are not counted, such as one over TLS, is
// closed after a chunked request.
func TestAChunkedRequestClosesAConnectionWithUncountedLengths(t *testing.T) {
	server := httpapi.NewServer(http.NotFoundHandler(), 16<<10, slog.New(slog.DiscardHandler))
	for name, want := range map[string]string{"": "", "chunked": "close"} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("x"))
		if name != "" {
			r.TransferEncoding = []string{name}
		}
		w := httptest.NewRecorder()
		server.Handler.ServeHTTP(w, r)
		require.Equal(t, want, w.Header().Get("Connection"), name)
	}
}
