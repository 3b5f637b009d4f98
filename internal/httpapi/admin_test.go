package httpapi_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/httpapi"
)

// admin returns the handler of an admin listener that was configured as o says.
func admin(o httpapi.AdminOptions) http.Handler {
	o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("figures")) })
	o.Logger = slog.New(slog.DiscardHandler)
	return httpapi.Admin(o)
}

// ask sends a request to h over a connection to local.
func ask(h http.Handler, path, local, host string, headers ...string) *httptest.ResponseRecorder {
	r := withLocal(httptest.NewRequest("GET", path, nil), local)
	r.Host = host
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// withLocal returns r as if it had arrived at a local address.
func withLocal(r *http.Request, local string) *http.Request {
	address, err := net.ResolveTCPAddr("tcp", local)
	if err != nil {
		panic(err)
	}
	return r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, address))
}

const own = "127.0.0.1:8081"

func TestAdminPaths(t *testing.T) {
	h := admin(httpapi.AdminOptions{Profiles: true})
	for path, want := range map[string]string{
		"/metrics":                       "figures",
		"/debug/pprof/":                  "goroutine",
		"/debug/pprof/goroutine?debug=1": "goroutine profile",
		"/debug/pprof/cmdline":           "httpapi",
	} {
		w := ask(h, path, own, own)
		require.Equal(t, http.StatusOK, w.Code, path)
		require.Contains(t, w.Body.String(), want)
	}
	w := ask(h, "/notify", own, own)
	require.Equal(t, http.StatusNotFound, w.Code)
	require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
	require.Contains(t, w.Body.String(), w.Header().Get("X-Request-Id"))
}

func TestProfilesAreOff(t *testing.T) {
	h := admin(httpapi.AdminOptions{})
	require.Equal(t, http.StatusOK, ask(h, "/metrics", own, own).Code)
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline", "/debug/pprof/profile?seconds=1"} {
		w := ask(h, path, own, own)
		require.Equal(t, http.StatusNotFound, w.Code, path)
		require.Contains(t, w.Body.String(), "BELLHOP_PROFILES=on")
	}
}

// A name that its owner has pointed at this machine is none of the listener's.
func TestAdminHosts(t *testing.T) {
	o := httpapi.AdminOptions{Listen: "Admin.internal:8081", Hosts: []string{"bellhop.example", "pod-0:9000", "10.9.9.9"}}
	for _, test := range []struct {
		local, host string
		want        int
	}{
		{own, own, 200},
		{own, "localhost:8081", 200},
		{own, "LOCALHOST.:8081", 200},
		{own, "[::1]:8081", 200},
		{"[::1]:8081", "[::1]:8081", 200},
		{"10.1.2.3:8081", "10.1.2.3:8081", 200},
		{"10.1.2.3:8081", "localhost:8081", 200},
		{"10.1.2.3:8081", "admin.internal:8081", 200},
		{"10.1.2.3:80", "10.1.2.3", 200},
		{own, "bellhop.example", 200},
		{own, "bellhop.example:1234", 200},
		{own, "BellHop.Example.:8081", 200},
		{own, "pod-0:9000", 200},
		{own, "10.9.9.9:8081", 200},
		{own, "pod-0:8081", 421},
		{own, "pod-0", 421},
		{own, "evil.example:8081", 421},
		{own, "evil.example", 421},
		{own, "127.0.0.1.evil.example:8081", 421},
		{own, "localhost.evil.example:8081", 421},
		{own, "localhost:8080", 421},
		{own, "localhost", 421},
		{own, "10.1.2.3:8081", 421},
		{own, "", 421},
		{own, ":8081", 421},
		{own, "[::1", 421},
	} {
		w := ask(admin(o), "/metrics", test.local, test.host)
		require.Equal(t, test.want, w.Code, "%q at %s", test.host, test.local)
		if test.want != 200 {
			require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))
			require.Contains(t, w.Body.String(), "BELLHOP_ADMIN_HOSTS")
			require.NotContains(t, w.Body.String(), "figures")
		}
	}
}

func TestAdminRefusesPagesOfOtherSites(t *testing.T) {
	h := admin(httpapi.AdminOptions{})
	for _, test := range []struct {
		name, value string
		want        int
	}{
		{"Sec-Fetch-Site", "none", 200}, // typed by a person
		{"Sec-Fetch-Site", "same-origin", 200},
		{"Sec-Fetch-Site", "cross-site", 403},
		{"Sec-Fetch-Site", "same-site", 403}, // another port of this machine
		{"Origin", "http://" + own, 200},
		{"Origin", "http://127.0.0.1:3000", 403},
		{"Origin", "https://evil.example", 403},
		{"Origin", "null", 403},
	} {
		w := ask(h, "/metrics", own, own, test.name, test.value)
		require.Equal(t, test.want, w.Code, "%s: %s", test.name, test.value)
	}
	require.Equal(t, 403, ask(h, "/metrics", own, own, "Origin", "http://"+own, "Origin", "https://evil.example").Code)
}

// No answer of the admin listener depends on a body, so none waits for one that
// never comes: this test would fail at its deadline otherwise.
func TestAdminDoesNotWaitForTheBody(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	server.Config = httpapi.NewAdminServer(admin(httpapi.AdminOptions{}), 16<<10, slog.New(slog.DiscardHandler))
	server.Start()
	t.Cleanup(server.Close)
	for head, want := range map[string]int{
		"GET /metrics HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 100\r\n": 421,
		"POST /metrics HTTP/1.1\r\nHost: %s\r\nContent-Length: 100\r\n":          405,
		"GET /metrics HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n":    200,
	} {
		address := server.Listener.Addr().String()
		conn, err := net.Dial("tcp", address)
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() })
		require.NoError(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
		_, err = io.WriteString(conn, strings.Replace(head, "%s", address, 1)+"\r\n1")
		require.NoError(t, err)
		answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err, head)
		require.Equal(t, want, answer.StatusCode, head)
		require.True(t, answer.Close, head)
		answer.Body.Close()
	}
}
