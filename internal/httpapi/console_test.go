package httpapi_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/console"
	"github.com/bellhop/bellhop/internal/httpapi"
	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
)

// consoleServer is the admin listener of a service of fakes.
type consoleServer struct {
	t    *testing.T
	fake *fakeService
	feed *console.Feed
	url  string

	remote string // the address of clients; empty: the real one
}

// startConsole serves a console whose feed takes no samples before the test has ended.
func startConsole(t *testing.T, access string, change ...func(*httpapi.Options)) *consoleServer {
	t.Helper()
	s := &consoleServer{t: t, fake: newFakeService(t), feed: console.NewFeed()}
	o := s.fake.options()
	for _, f := range change {
		f(&o)
	}
	h := httpapi.Admin(httpapi.AdminOptions{
		Metrics: http.NotFoundHandler(), Logger: o.Logger, Log: &fakeLog{},
		Console: httpapi.ConsoleOptions{
			Access: access,
			Page: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, "page "+r.URL.Path)
			}),
			API: httpapi.NewAPI(o), Feed: s.feed,
			About: httpapi.ConsoleAbout{Node: "a", Version: "v1", Revision: "abc", Started: time.Unix(1_700_000_000, 0).UTC()},
		},
	})
	server := httptest.NewUnstartedServer(nil)
	server.Config = httpapi.NewAdminServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.remote != "" {
			r.RemoteAddr = s.remote
		}
		h.ServeHTTP(w, r)
	}), 16<<10, slog.New(slog.DiscardHandler))
	server.Start()
	t.Cleanup(server.Close)
	s.url = server.URL
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	s.feed.Open()
	go func() {
		defer close(ended)
		s.feed.Run(ctx, func() []byte { return []byte(`{"n":1}`) })
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return s
}

// awaitPlace waits until the feed can have one more watcher.
func (s *consoleServer) awaitPlace() {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		w, err := s.feed.Watch()
		if err == nil {
			w.Close()
		}
		return err == nil
	}, 20*time.Second, time.Millisecond)
}

// ask sends a request with the header of the console and further headers, of which an empty one
// takes a header away.
func (s *consoleServer) ask(method, path, body string, headers ...string) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, strings.NewReader(body))
	require.NoError(s.t, err)
	r.Header.Set("Bellhop-Console", "1")
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		switch {
		case headers[i+1] == "":
			r.Header.Del(headers[i])
		case headers[i] == "Host":
			r.Host = headers[i+1]
		default:
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return answer{resp, got}
}

const elsewhere = "192.0.2.7:999"

// Each route for data and actions, with the status of its answer.
func consoleRoutes() map[[3]string]int {
	return map[[3]string]int{
		{"GET", "/console/api/users/ada/connections", ""}:                200,
		{"GET", "/console/api/users/ada/topics", ""}:                     200,
		{"GET", "/console/api/users/ada/preferences", ""}:                200,
		{"GET", "/console/api/users/ada/inbox?state=all&limit=5", ""}:    200,
		{"GET", "/console/api/notifications/" + id + "?user=ada", ""}:    200,
		{"GET", "/console/api/log-user?user=ada", ""}:                    200,
		{"DELETE", "/console/api/users/ada/connections", ""}:             204,
		{"POST", "/console/api/revocations", `{"jti":"j","issuer":"i"}`}: 204,
		{"DELETE", "/console/api/notifications/" + id, ""}:               204,
		{"POST", "/console/api/notify", toAda}:                           202,
	}
}

func TestTheConsoleHasTheLookupsAndActionsOfTheAPI(t *testing.T) {
	s := startConsole(t, httpapi.ConsoleLocal)
	for route, want := range consoleRoutes() {
		a := s.ask(route[0], route[1], route[2])
		require.Equal(t, want, a.StatusCode, "%s: %s", route, a.body)
		require.Equal(t, "no-store", a.Header.Get("Cache-Control"), route)
		require.Equal(t, "nosniff", a.Header.Get("X-Content-Type-Options"), route)
	}
	require.Equal(t, "console", s.fake.publisher.by.Name)
	require.Equal(t, []notify.UserID{"ada"}, s.fake.ended)
	require.Len(t, s.fake.revoked, 1)
	for _, line := range []string{
		"action=disconnect outcome=done principal=console target=ada",
		`action=revoke outcome=done principal=console target="jti j of i"`,
		"action=recall outcome=done principal=console target=" + id,
		"action=publish outcome=done principal=console target=" + id,
		"action=log-user outcome=done principal=console target=",
	} {
		require.Contains(t, s.fake.logs.String(), line)
	}
	require.Empty(t, s.fake.metrics.all(), "the requests of an operator are none of the clients'")
}

func TestWhoMayUseTheConsole(t *testing.T) {
	for _, test := range []struct {
		access, remote, token string
		headers               []string
		want                  int
	}{
		{"local", "", "", nil, 200},
		{"local", "[::1]:99", "", nil, 200},
		{"local", "[::ffff:127.0.0.1]:99", "", nil, 200},
		{"local", "", "", []string{"X-Forwarded-For", "10.1.1.1"}, 401},
		{"local", "", "", []string{"X-Forwarded-Proto", "https"}, 401},
		{"local", "", "", []string{"Forwarded", "for=10.1.1.1"}, 401},
		{"local", "", "", []string{"X-Real-Ip", "10.1.1.1"}, 401},
		{"local", "", "", []string{"Via", "1.1 proxy"}, 401},
		{"local", "", "", []string{"CF-Connecting-IP", "10.1.1.1"}, 401},
		{"local", "", "", []string{"True-Client-IP", "10.1.1.1"}, 401},
		{"local", "", "", []string{"X-Azure-ClientIP", "10.1.1.1"}, 401},
		{"local", "", "", []string{"X-Envoy-External-Address", "10.1.1.1"}, 401},
		{"local", "", "", []string{"X-Remote-Addr", "10.1.1.1"}, 401},
		{"local", "", "", []string{"CDN-Loop", "cdn.example"}, 401},
		{"local", "", "", []string{"X-Original-Forwarded-For", "10.1.1.1"}, 401},
		{"local", "", "admin", []string{"Via", "1.1 proxy"}, 200},
		{"local", elsewhere, "", nil, 401},
		{"local", "unknown", "", nil, 401},
		{"local", elsewhere, "admin", nil, 200},
		{"local", elsewhere, "good", nil, 403},
		{"local", elsewhere, "expired", nil, 401},
		{"local", "", "good", nil, 403}, // a token counts, wherever it comes from
		{"local", "", "expired", nil, 401},
		{"on", "", "", nil, 401},
		{"on", "", "admin", nil, 200},
		{"on", elsewhere, "admin", nil, 200},
		{"on", elsewhere, "manager", nil, 403},
		{"on", elsewhere, "nokeys", nil, 503},
		{"off", "", "", nil, 404},
		{"off", elsewhere, "admin", nil, 404},
		{"", "", "admin", nil, 404},
	} {
		s := startConsole(t, test.access)
		s.remote = test.remote
		headers := test.headers
		if test.token != "" {
			headers = append(headers, "Authorization", "Bearer "+test.token)
		}
		for _, path := range []string{"/console/api/users/ada/inbox", "/console/api/users/ada/connections"} {
			a := s.ask("GET", path, "", headers...)
			require.Equal(t, test.want, a.StatusCode, "%+v: %s", test, a.body)
		}
		if test.want != 200 {
			for route := range consoleRoutes() {
				a := s.ask(route[0], route[1], route[2], headers...)
				require.Equal(t, test.want, a.StatusCode, "%+v %v: %s", test, route, a.body)
				require.Equal(t, "application/problem+json", a.Header.Get("Content-Type"))
			}
			require.Equal(t, test.want, s.ask("GET", "/console/events", "", headers...).StatusCode)
			require.Empty(t, s.fake.ended)
		}
	}
}

// A token acts with its own scopes only.
func TestAnOperatorWithoutAScopeMayNotDoWhatNeedsIt(t *testing.T) {
	s := startConsole(t, httpapi.ConsoleOn)
	as := []string{"Authorization", "Bearer admin"}
	require.Equal(t, 403, s.ask("POST", "/console/api/notify", toAda, as...).StatusCode)
	require.Equal(t, 403, s.ask("GET", "/console/api/users/ada/topics", "", as...).StatusCode)
	require.Equal(t, 403, s.ask("GET", "/console/api/users/ada/topics", "", "Authorization", "Bearer manager").StatusCode)
	require.Equal(t, 204, s.ask("DELETE", "/console/api/users/ada/connections", "", as...).StatusCode)
	require.Contains(t, s.fake.logs.String(), "action=publish outcome=refused principal=user:root")
}

// Pages of other sites can neither send an action nor reach the console by a name of their own.
func TestPagesOfOtherSitesCannotAct(t *testing.T) {
	s := startConsole(t, httpapi.ConsoleLocal)
	own := strings.TrimPrefix(s.url, "http://")
	for route, done := range consoleRoutes() {
		for _, test := range []struct {
			header, value string
			want          int
		}{
			{"Host", "evil.example", 421},
			{"Host", "evil.example:" + own[strings.LastIndex(own, ":")+1:], 421},
			{"Origin", "https://evil.example", 403},
			{"Origin", "null", 403},
			{"Sec-Fetch-Site", "cross-site", 403},
			{"Sec-Fetch-Site", "same-site", 403},
			{"Bellhop-Console", "", 403},
			{"Bellhop-Console", "yes", 403},
			{"Origin", s.url, done},
			{"Sec-Fetch-Site", "same-origin", done},
		} {
			want := test.want
			if route[0] == "GET" && test.header == "Bellhop-Console" {
				want = done
			}
			a := s.ask(route[0], route[1], route[2], test.header, test.value)
			require.Equal(t, want, a.StatusCode, "%v with %s: %s", route, test.header, test.value)
			require.Empty(t, a.Header.Get("Access-Control-Allow-Origin"))
		}
		a := s.ask("OPTIONS", route[1], "", "Origin", "https://evil.example", "Access-Control-Request-Method", route[0])
		require.Equal(t, 403, a.StatusCode, "a preflight")
	}
}

// Alerts and tickets have links to the console. Only its page follows them, and only in a tab of its own.
func TestLinksOfOtherSitesLeadToThePageOnly(t *testing.T) {
	s := startConsole(t, httpapi.ConsoleLocal)
	from := func(site, mode, dest string) []string {
		return []string{"Sec-Fetch-Site", site, "Sec-Fetch-Mode", mode, "Sec-Fetch-Dest", dest}
	}
	for _, site := range []string{"cross-site", "same-site"} {
		link := from(site, "navigate", "document")
		require.Equal(t, 200, s.ask("GET", "/console", "", link...).StatusCode)
		require.Equal(t, 302, s.ask("GET", "/console/", "", link...).StatusCode)
		require.Equal(t, 403, s.ask("POST", "/console", "", link...).StatusCode)
		require.Equal(t, 403, s.ask("GET", "/console", "", append(link, "Origin", "https://evil.example")...).StatusCode)
		require.Equal(t, 421, s.ask("GET", "/console", "", append(link, "Host", "evil.example")...).StatusCode)
		for _, path := range []string{"/console/console.js", "/console/events", "/console/api/users/ada/inbox", "/metrics", "/log-level", "/cluster"} {
			require.Equal(t, 403, s.ask("GET", path, "", link...).StatusCode, path)
		}
		for _, dest := range []string{"iframe", "frame", "embed", "object", ""} {
			require.Equal(t, 403, s.ask("GET", "/console", "", from(site, "navigate", dest)...).StatusCode, dest)
		}
		require.Equal(t, 403, s.ask("GET", "/console", "", from(site, "no-cors", "document")...).StatusCode)
	}
}

func TestTheConsoleIsWithinTheLimitsOfOperators(t *testing.T) {
	s := startConsole(t, httpapi.ConsoleLocal, func(o *httpapi.Options) {
		o.Requests = &limit.Principals{Backends: limit.New(notify.Rate{Name: "requests", Quota: 1, Window: time.Hour}, 0)}
	})
	require.Equal(t, 200, s.ask("GET", "/console/api/users/ada/connections", "").StatusCode)
	a := s.ask("GET", "/console/api/users/ada/connections", "")
	require.Equal(t, 429, a.StatusCode)
	require.Equal(t, 429, s.ask("GET", "/console/events", "").StatusCode)
}

func TestThePageNeedsNoToken(t *testing.T) {
	s := startConsole(t, httpapi.ConsoleOn)
	s.remote = elsewhere
	require.Equal(t, "page /console", string(s.ask("GET", "/console", "").body))
	require.Equal(t, "page /console/console.js", string(s.ask("GET", "/console/console.js", "").body))
	for _, path := range []string{"/", "/console/"} {
		a := s.ask("GET", path, "")
		require.Equal(t, 302, a.StatusCode)
		require.Equal(t, "/console", a.Header.Get("Location"))
	}
	require.Equal(t, 421, s.ask("GET", "/console", "", "Host", "evil.example").StatusCode)
	require.Equal(t, 404, s.ask("GET", "/console/api/other", "").StatusCode)
	require.Equal(t, 404, s.ask("GET", "/console/api/log-user/ada", "").StatusCode)
	for _, route := range [][2]string{{"DELETE", "/console/api/notify"}, {"POST", "/console/api/users/ada/inbox"}, {"DELETE", "/console/events"}} {
		a := s.ask(route[0], route[1], "")
		require.Equal(t, 405, a.StatusCode, route)
		require.NotContains(t, a.Header.Get("Allow"), route[0], route)
		require.NotEmpty(t, a.Header.Get("Allow"), route)
	}
	off := startConsole(t, "off")
	for _, path := range []string{"/", "/console", "/console/", "/console/console.js"} {
		require.Equal(t, 404, off.ask("GET", path, "").StatusCode, path)
	}
	require.Contains(t, string(off.ask("GET", "/console", "").body), "BELLHOP_CONSOLE")
}
