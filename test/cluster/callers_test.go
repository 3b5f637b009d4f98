package cluster

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
)

// marker is in each text of a caller.
const marker = "mallory"

// tenant begins the name of each user.
const tenant = marker + ".*.>:"

// texts returns what callers send in each place where a text may be: it contains what subjects,
// headers and the protocol of NATS are made of. Users and topics may be named like the first of them.
func texts() []string {
	return []string{
		marker + ".>",
		">." + marker,
		"$JS.API.STREAM.DELETE.BELLHOP." + marker,
		"_INBOX." + marker + ".>",
		marker + " 1",
		marker + ".*",
		"a\r\nNats-Msg-Id: " + marker + "\r\n\r\n",
		"\r\nPUB bellhop.BELLHOP.journal 7\r\n" + marker + "\r\n",
		marker + "\x00\x1b\u2028",
	}
}

const validNames = 4 // of texts

// caller calls all operations with a text, on one node after another.
type caller struct {
	t      *testing.T
	nodes  []*node
	key    string // API key that may publish to everyone
	text   string
	id     string // of a notification: the text, or that of one that exists
	valid  bool   // users and topics may be named so
	called map[string]bool
	calls  int
}

// token returns a token of the user that is named like the text, or of an operator with scopes.
func (c *caller) token(scopes ...notify.Scope) string {
	c.t.Helper()
	claims := auth.Claims{User: tenant + "operator", UserPrefix: tenant, Scopes: scopes, TTL: time.Hour}
	switch {
	case len(scopes) == 0 && c.valid:
		claims.User, claims.Topics = notify.UserID(tenant+c.text), []notify.TopicPattern{notify.TopicPattern(c.text)}
	case len(scopes) == 0:
		claims.User = tenant + "ada"
	}
	signed, err := auth.Sign([]byte(secret), claims)
	require.NoError(c.t, err)
	return signed
}

// bearer returns the API key for publishing, and a token for all others.
func (c *caller) bearer(scopes []notify.Scope) string {
	c.t.Helper()
	if slices.Contains(scopes, notify.ScopeBroadcast) {
		return c.key
	}
	return c.token(scopes...)
}

// next returns the URL of another node than that of the last call.
func (c *caller) next() string {
	c.calls++
	return c.nodes[c.calls%len(c.nodes)].url
}

// call calls an operation with a body, and returns the body of the answer. The text is in headers, too, if
// HTTP allows it there.
func (c *caller) call(operation, query string, body any, scopes ...notify.Scope) string {
	c.t.Helper()
	c.called[operation] = true
	method, path, _ := strings.Cut(operation, " ")
	path = strings.NewReplacer("{user}", url.PathEscape(tenant+c.text), "{topic}", url.PathEscape(c.text), "{id}", url.PathEscape(c.id)).Replace(path)
	var content string
	if body != nil {
		b, err := json.Marshal(body)
		require.NoError(c.t, err)
		content = string(b)
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.next()+path+query, strings.NewReader(content))
	require.NoError(c.t, err)
	req.Header = http.Header{
		"Authorization": {"Bearer " + c.bearer(scopes)}, "Content-Type": {"application/json"},
		"X-Request-Id": {c.inHeader()},
		"Traceparent":  {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, "Tracestate": {"a=" + c.inHeader()},
	}
	if operation != "POST /notify/batch" { // an ephemeral notification with a key is in the journal
		req.Header.Set("Idempotency-Key", strconv.Itoa(c.calls)+c.inHeader())
	}
	status, answer, err := do(req)
	require.NoError(c.t, err)
	require.Less(c.t, status, http.StatusInternalServerError, "%s with %q: %s", operation, c.text, answer)
	if c.valid && (c.id != c.text || !strings.Contains(operation, "{id}")) { // there is no such notification
		require.Less(c.t, status, http.StatusBadRequest, "%s with %q: %s", operation, c.text, answer)
	}
	return answer
}

// inHeader returns the text as far as a header can have it.
func (c *caller) inHeader() string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '.'
		}
		return r
	}, c.text)
}

// publishes returns notifications to a user, to topics and to everyone.
func (c *caller) publishes() (all []map[string]any) {
	for _, to := range []map[string]any{
		{"users": []string{tenant + c.text, tenant + "ada"}}, {"topics": []string{c.text}, "except": []string{tenant + c.text}}, {"all": true},
	} {
		all = append(all, map[string]any{
			"to": to, "type": "t", "title": c.text, "body": c.text, "data": map[string]string{c.text: c.text}, "collapse_key": c.text,
		})
	}
	return all
}

func publisher() []notify.Scope {
	return []notify.Scope{notify.ScopePublish, notify.ScopeBroadcast, notify.ScopeTopics}
}

// do calls all operations, and sends all commands, while the user has connections on both nodes.
func (c *caller) do() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), timeout)
	defer cancel()
	ws := c.connect(ctx)
	for _, one := range c.publishes() {
		c.call("POST /notify", "", one, publisher()...)
		c.command(ctx, ws, "publish", one)
		delete(one, "collapse_key")
		one["ephemeral"] = true
		c.call("POST /notify", "", one, publisher()...)
		c.call("POST /notify/batch", "", map[string]any{"notifications": []any{one, one}}, publisher()...)
	}
	var published struct{ ID string }
	to := map[string]any{"to": map[string]any{"users": []string{tenant + "ada", tenant + c.text}}, "type": "t", "title": c.text}
	_ = json.Unmarshal([]byte(c.call("POST /notify", "", to, publisher()...)), &published) // empty, if the text is not a name
	text := url.QueryEscape(c.text)
	for _, verb := range []string{"seen", "read", "unread", "archive"} {
		marks := map[string]any{"ids": []string{c.text}}
		c.call("POST /inbox/"+verb, "", marks)
		c.command(ctx, ws, verb, marks)
	}
	preferences := map[string]any{"rules": []any{map[string]any{"topic": c.text, "level": "silent"}}}
	c.call("PUT /preferences", "", preferences)
	c.call("GET /preferences", "", nil)
	c.call("GET /inbox", "?topic="+text, nil)
	c.call("GET /inbox/counts", "?by=topic&topic="+text, nil)
	c.call("POST /tickets", "", nil)

	admin := []notify.Scope{notify.ScopeAdmin, notify.ScopeTopics}
	c.call("POST /topics/{topic}/members", "", map[string]any{"add": []string{tenant + c.text}}, admin...)
	c.call("GET /topics/{topic}/members", "", nil, admin...)
	c.call("PUT /users/{user}/topics", "", map[string]any{"topics": []string{c.text}}, admin...)
	c.call("GET /users/{user}/topics", "", nil, admin...)
	c.call("PUT /users/{user}/preferences", "", preferences, admin...)
	c.call("GET /users/{user}/preferences", "", nil, admin...)
	c.call("GET /users/{user}/inbox", "", nil, admin...)
	c.call("GET /users/{user}/removed", "", nil, admin...)
	c.call("GET /users/{user}/connections", "", nil, admin...)
	c.call("GET /users/{user}/export", "", nil, admin...)
	for _, id := range []string{c.text, published.ID} {
		c.id = id
		c.call("GET /notifications/{id}", "?user="+url.QueryEscape(tenant+c.text), nil, admin...)
		c.call("DELETE /notifications/{id}", "", nil, admin...)
	}
	c.call("DELETE /users/{user}/connections", "?connection="+text, nil, admin...)
	c.call("POST /revocations", "", map[string]any{"jti": c.text}, admin...)
	c.call("POST /revocations", "", map[string]any{"user": tenant + c.text, "issued_before": "2001-01-01T00:00:00Z"}, admin...)
	c.call("DELETE /users/{user}", "", nil, admin...)
}

// connect opens an event stream on one node and a WebSocket on the other, and returns the latter.
func (c *caller) connect(ctx context.Context) *websocket.Conn {
	c.t.Helper()
	header := http.Header{"Authorization": {"Bearer " + c.token(notify.ScopePublish)}, "Last-Event-Id": {c.inHeader()}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.next()+"/events", http.NoBody)
	require.NoError(c.t, err)
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	require.NoError(c.t, err)
	c.t.Cleanup(func() { _ = resp.Body.Close() })
	require.Equal(c.t, http.StatusOK, resp.StatusCode)
	ws, _, err := websocket.Dial(ctx, c.next()+"/ws?cursor="+url.QueryEscape(c.text), &websocket.DialOptions{HTTPHeader: header})
	require.NoError(c.t, err)
	c.t.Cleanup(func() { _ = ws.CloseNow() })
	c.called["GET /events"], c.called["GET /ws"] = true, true
	return ws
}

// command sends a command, and waits for its answer.
func (c *caller) command(ctx context.Context, ws *websocket.Conn, event string, data any) {
	c.t.Helper()
	b, err := json.Marshal(map[string]any{"event": event, "ref": c.text, "key": c.inHeader() + event, "data": data})
	require.NoError(c.t, err)
	require.NoError(c.t, ws.Write(ctx, websocket.MessageText, b))
	for answered := false; !answered; {
		_, frame, err := ws.Read(ctx)
		require.NoError(c.t, err)
		var m struct{ Event string }
		require.NoError(c.t, json.Unmarshal(frame, &m))
		answered = m.Event == "reply" || m.Event == "error"
	}
}

// missing returns the operations of openapi.yaml that were not called, apart from those that serve files or
// the state of the node.
func (c *caller) missing() (all []string) {
	c.t.Helper()
	text, err := os.ReadFile("../../openapi.yaml")
	require.NoError(c.t, err)
	path, fixed := "", regexp.MustCompile(`^/(livez|readyz|docs|.*\.(yaml|js|d\.ts))`)
	for _, m := range regexp.MustCompile(`(?m)^  (/\S*):$|^    (get|put|post|delete|patch):$`).FindAllStringSubmatch(string(text), -1) {
		if m[1] != "" {
			path = m[1]
			continue
		}
		if operation := strings.ToUpper(m[2]) + " " + path; !c.called[operation] && !fixed.MatchString(path) {
			all = append(all, operation)
		}
	}
	return all
}
