package e2e

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/contract"
)

// operator asks the console of a node, whichever node the users' requests go to.
type operator struct {
	t      *testing.T
	url    string
	client *http.Client
	with   []string // headers of each request, name after value
	await  func()   // called before each request
}

func (s *service) operator(headers ...string) *operator {
	s.t.Helper()
	client := &http.Client{Transport: &http.Transport{}}
	s.t.Cleanup(client.CloseIdleConnections)
	s.next()
	n := s.nodes[s.turn]
	with := append([]string{"Bellhop-Console", "1"}, headers...)
	return &operator{s.t, "http://" + n.admin, client, with, func() { s.caughtUp(n) }}
}

// compared compares the answers of the console with openapi.yaml: they are those of the public
// listener.
func (o *operator) compared() *operator {
	o.t.Helper()
	document, err := loadDocument()
	require.NoError(o.t, err)
	o.client.Transport = &contract.Transport{Document: document, TB: o.t, BasePath: "/console/api", Next: o.client.Transport}
	return o
}

func (o *operator) do(method, path, body string, headers ...string) response {
	o.t.Helper()
	r, err := http.NewRequestWithContext(o.t.Context(), method, o.url+path, strings.NewReader(body))
	require.NoError(o.t, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	headers = append(o.with, headers...)
	for i := 0; i+1 < len(headers); i += 2 {
		switch {
		case headers[i] == "Host":
			r.Host = headers[i+1]
		case headers[i+1] == "":
			r.Header.Del(headers[i])
		default:
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	o.await()
	resp, err := o.client.Do(r)
	require.NoError(o.t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(o.t, err)
	return response{resp, answer}
}

// feed is the stream of a console.
type feed struct {
	t    *testing.T
	body io.ReadCloser
	in   *bufio.Scanner
}

func (o *operator) watch() *feed {
	o.t.Helper()
	r, err := http.NewRequestWithContext(o.t.Context(), http.MethodGet, o.url+"/console/events", nil)
	require.NoError(o.t, err)
	for i := 0; i+1 < len(o.with); i += 2 {
		r.Header.Set(o.with[i], o.with[i+1])
	}
	resp, err := o.client.Do(r)
	require.NoError(o.t, err)
	o.t.Cleanup(func() { resp.Body.Close() })
	require.Equal(o.t, http.StatusOK, resp.StatusCode)
	in := bufio.NewScanner(resp.Body)
	in.Buffer(nil, 16<<20)
	return &feed{o.t, resp.Body, in}
}

// next returns the next event, empty at the end of the stream.
func (f *feed) next() (event string, data []byte) {
	for f.in.Scan() {
		line := f.in.Text()
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			event = name
		} else if text, ok := strings.CutPrefix(line, "data: "); ok {
			return event, []byte(text)
		}
	}
	return "", nil
}

// until reads events until one of a kind meets a condition, and returns it.
func (f *feed) until(kind string, is func(map[string]any) bool) map[string]any {
	f.t.Helper()
	for {
		event, data := f.next()
		require.NotEmpty(f.t, event, "the stream has ended")
		if event != kind {
			continue
		}
		var content map[string]any
		require.NoError(f.t, json.Unmarshal(data, &content))
		if is(content) {
			return content
		}
	}
}

func (f *feed) ends() {
	f.t.Helper()
	for event, _ := f.next(); event != ""; {
		event, _ = f.next()
	}
}

// in returns a value inside a sample: 0 if it is absent.
func in(sample map[string]any, path ...string) float64 {
	for _, name := range path[:len(path)-1] {
		sample, _ = sample[name].(map[string]any)
	}
	value, _ := sample[path[len(path)-1]].(float64)
	return value
}

// An operator looks a user and a notification up, acts, and sees the audit line of each action.
func TestAnOperatorActsInTheConsole(t *testing.T) {
	t.Run("without a token", func(t *testing.T) {
		s := start(t)
		s.act(s.operator(), "console")
	})
	t.Run("with a token", func(t *testing.T) {
		s := start(t, func(c *config.Config) { c.Console = "on" })
		all := token(t, "ops", notify.ScopeAdmin, notify.ScopePublish, notify.ScopeTopics)
		s.act(s.operator("Authorization", "Bearer "+all).compared(), "user:ops")
	})
}

// act does in the console what an operator does, who is known by a name.
func (s *service) act(o *operator, by string) {
	t := s.t
	t.Helper()
	id := s.publish("one", "ada")
	c := s.live("ada")
	audit := o.watch()
	done := func(action, target string) {
		t.Helper()
		line := audit.until("audit", func(line map[string]any) bool { return line["action"] == action && line["outcome"] == "done" })
		assert.Equal(t, "action carried out", line["message"])
		assert.Equal(t, by, line["principal"])
		assert.Contains(t, line["target"], target)
		assert.NotEmpty(t, line["request"])
	}

	a := o.do("GET", "/console/api/users/ada/connections", "")
	require.Equal(t, http.StatusOK, a.StatusCode, "%s", a.body)
	require.Len(t, a.json(t)["connections"], 1)
	for path, want := range map[string]string{
		"/users/ada/inbox?state=unread&limit=1": id,
		"/users/ada/topics":                     `{"topics":[`,
		"/users/ada/preferences":                `"rules":[]`,
		"/notifications/" + id + "?user=ada":    `"state":"kept"`,
	} {
		a := o.do("GET", "/console/api"+path, "")
		require.Equal(t, http.StatusOK, a.StatusCode, "%s", a.body)
		require.Contains(t, string(a.body), want)
	}
	require.Equal(t, http.StatusNotFound, o.do("GET", "/console/api/notifications/nothing", "").StatusCode)
	require.Equal(t, http.StatusUnprocessableEntity, o.do("POST", "/console/api/notify", `{"type":"t"}`).StatusCode)

	a = o.do("POST", "/console/api/notify", draft(t, "a test", "ada"))
	require.Equal(t, http.StatusAccepted, a.StatusCode, "%s", a.body)
	c.expect("a test")
	sent, _ := a.json(t)["id"].(string)
	done("publish", sent)
	require.Equal(t, http.StatusNoContent, o.do("DELETE", "/console/api/notifications/"+sent, "").StatusCode)
	done("recall", sent)
	a = o.do("GET", "/console/api/users/ada/removed", "")
	require.Equal(t, http.StatusOK, a.StatusCode, "%s", a.body)
	require.Contains(t, string(a.body), `{"items":[{"notification":{"id":"`+sent)
	require.Len(t, s.inbox("ada", "").Items, 1)
	require.Equal(t, http.StatusNoContent, o.do("DELETE", "/console/api/users/ada/connections", "").StatusCode)
	done("disconnect", "ada")
	old := token(t, "ada")
	body := `{"user":"ada","issued_before":"` + time.Now().Add(2*time.Second).UTC().Format(time.RFC3339) + `"}`
	require.Equal(t, http.StatusNoContent, o.do("POST", "/console/api/revocations", body).StatusCode)
	done("revoke", "tokens of ada before")
	require.Equal(t, "token-revoked", s.do("GET", "/inbox", "", "Authorization", "Bearer "+old).problem(t))
}

// A request of another machine, or one that a proxy forwards, needs the token of an operator.
func TestTheConsoleNeedsATokenFromElsewhere(t *testing.T) {
	s := start(t)
	const path = "/console/api/users/ada/connections"
	bearer := func(scopes ...notify.Scope) string { return "Bearer " + token(t, "ops", scopes...) }
	forwarded := s.operator("X-Forwarded-For", "192.0.2.7")
	for header, want := range map[string]int{
		"":                          http.StatusUnauthorized,
		"Bearer none":               http.StatusUnauthorized,
		bearer():                    http.StatusForbidden,
		bearer(notify.ScopePublish): http.StatusForbidden,
		bearer(notify.ScopeAdmin):   http.StatusOK,
		"Bearer " + expiredAdmin(t): http.StatusUnauthorized,
	} {
		a := forwarded.do("GET", path, "", "Authorization", header)
		require.Equal(t, want, a.StatusCode, "%.20s: %s", header, a.body)
	}
	require.Equal(t, http.StatusUnauthorized, forwarded.do("GET", "/console/events", "").StatusCode)
	require.Equal(t, http.StatusOK, forwarded.do("GET", "/console", "").StatusCode, "the page has no data")
	require.Equal(t, http.StatusOK, s.operator().do("GET", path, "").StatusCode)

	on := start(t, func(c *config.Config) { c.Console = "on" })
	require.Equal(t, http.StatusUnauthorized, on.operator().do("GET", path, "").StatusCode)
	require.Equal(t, http.StatusOK, on.operator("Authorization", bearer(notify.ScopeAdmin)).do("GET", path, "").StatusCode)
	off := start(t, func(c *config.Config) { c.Console = "off" })
	for _, path := range []string{path, "/console", "/console/events"} {
		a := off.operator("Authorization", bearer(notify.ScopeAdmin)).do("GET", path, "")
		require.Equal(t, http.StatusNotFound, a.StatusCode)
		require.Contains(t, string(a.body), "BELLHOP_CONSOLE")
	}
}

// expiredAdmin returns a token of an operator that has expired.
func expiredAdmin(t *testing.T) string {
	t.Helper()
	return sign(t, auth.Claims{User: "ops", Scopes: []notify.Scope{notify.ScopeAdmin}, Expires: time.Now().Add(-time.Hour)})
}

// Pages of other sites that an operator has open can do nothing.
func TestOtherSitesCannotUseTheConsole(t *testing.T) {
	s := start(t)
	c := s.live("ada")
	o := s.operator()
	const path = "/console/api/users/ada/connections"
	for _, test := range []struct {
		header, value string
		want          int
	}{
		{"Origin", "https://evil.example", http.StatusForbidden},
		{"Sec-Fetch-Site", "cross-site", http.StatusForbidden},
		{"Host", "rebound.example", http.StatusMisdirectedRequest},
	} {
		for _, method := range []string{http.MethodGet, http.MethodDelete} {
			a := o.do(method, path, "", test.header, test.value)
			require.Equal(t, test.want, a.StatusCode, "%s %s", method, test.header)
			require.Empty(t, a.Header.Get("Access-Control-Allow-Origin"))
		}
		require.Equal(t, test.want, o.do("GET", "/console/events", "", test.header, test.value).StatusCode)
	}
	require.Equal(t, http.StatusForbidden, o.do("DELETE", path, "", "Bellhop-Console", "").StatusCode)
	require.Equal(t, http.StatusForbidden, o.do("POST", "/console/api/notify", draft(t, "x", "ada"), "Bellhop-Console", "").StatusCode)
	s.publish("still there", "ada")
	c.expect("still there")
}

// The samples show what happens, and those from before the stream was opened come first. Rates are only known to
// be positive: a sample that is late is of two seconds.
func TestTheConsoleShowsTheLoad(t *testing.T) {
	s := start(t)
	s.onOneNode(ownLoad)
	f := s.operator().watch()
	hello := f.until("hello", func(map[string]any) bool { return true })
	require.Equal(t, true, hello["local"])
	require.NotEmpty(t, hello["node"])
	f.until("sample", func(sample map[string]any) bool {
		return sample["ready"] == true && in(sample, "connections", "websocket") == 0
	})
	c := s.live("ada")
	f.until("sample", func(sample map[string]any) bool {
		return in(sample, "opened") > 0 && in(sample, "connections", "websocket") == 1
	})
	s.publish("one", "ada")
	c.expect("one")
	sample := f.until("sample", func(sample map[string]any) bool { return in(sample, "publishes", "stored") > 0 })
	require.Positive(t, in(sample, "publish_ms", "p99"))
	require.Positive(t, in(sample, "commit", "entries"))
	require.Positive(t, in(sample, "sequence"))
	require.Positive(t, in(sample, "store", "notification_bytes"))
	require.Positive(t, in(sample, "disk", "size_bytes"))
	require.Positive(t, in(sample, "process", "heap_bytes"))
	require.Equal(t, len(s.nodes), max(1, len(nodesIn(sample))))
	if mode != "" {
		f.until("sample", func(sample map[string]any) bool {
			total := 0.0
			for _, node := range nodesIn(sample) {
				node, _ := node.(map[string]any)
				total += in(node, "connections")
			}
			return total == 1
		})
	}
	s.do(http.MethodPost, "/notify", "{}")
	f.until("sample", func(sample map[string]any) bool { return in(sample, "refusals", "unauthenticated") > 0 })
	c.drop()
	f.until("sample", func(sample map[string]any) bool {
		closes, _ := sample["closes"].(map[string]any)
		return len(closes) == 1 && in(sample, "connections", "websocket") == 0
	})

	event, history := "", []byte(nil)
	for again := s.operator().watch(); event != "history"; {
		event, history = again.next()
	}
	var samples []map[string]any
	require.NoError(t, json.Unmarshal(history, &samples))
	require.True(t, slices.ContainsFunc(samples, func(sample map[string]any) bool { return in(sample, "opened") > 0 }))
}

// nodesIn returns the nodes of a cluster in a sample.
func nodesIn(sample map[string]any) []any {
	nodes, _ := sample["nodes"].([]any)
	return nodes
}

// Streams end with the token that opened them.
func TestTheStreamOfTheConsoleEndsWithItsToken(t *testing.T) {
	s := start(t)
	admin := token(t, "ops", notify.ScopeAdmin)
	revoked := s.operator("Authorization", "Bearer "+admin).watch()
	revoked.until("sample", func(map[string]any) bool { return true })
	body := `{"user":"ops","issued_before":"` + time.Now().Add(2*time.Second).UTC().Format(time.RFC3339) + `"}`
	require.Equal(t, http.StatusNoContent, s.operator().do("POST", "/console/api/revocations", body).StatusCode)
	revoked.ends()
}

// Pages that are left open delay no stop.
func TestAnOpenConsoleDelaysNoStop(t *testing.T) {
	s := start(t)
	s.onOneNode(ownConnections)
	f := s.operator().watch()
	for range 31 {
		s.operator().watch()
	}
	a := s.operator().do("GET", "/console/events", "")
	require.Equal(t, http.StatusServiceUnavailable, a.StatusCode)
	require.NotEmpty(t, a.Header.Get("Retry-After"))
	require.NoError(t, s.stop())
	f.ends()
}
