package e2e

import (
	"bytes"
	"compress/gzip"
	"net/http"
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

func TestNotifyResponse(t *testing.T) {
	s := start(t)
	a := s.post("/notify", draft(t, "x", "ada", "grace"))
	assert.Equal(t, http.StatusAccepted, a.StatusCode)
	assert.Equal(t, "no-store", a.Header.Get("Cache-Control"))
	assert.NotEmpty(t, a.Header.Get("X-Request-Id"))
	got := a.json(t)
	assert.EqualValues(t, 2, got["recipients"])
	assert.Equal(t, false, got["duplicate"])
	a = s.post("/notify", draft(t, "x"))
	assert.NotContains(t, a.json(t), "recipients", "a broadcast has no count of recipients")
}

func TestNotifyRefusesInvalidBodies(t *testing.T) {
	s := start(t)
	for name, c := range map[string]struct {
		body    string
		status  int
		problem string
		pointer string
	}{
		"no JSON":         {`{`, 400, "malformed", ""},
		"empty":           {` `, 400, "malformed", ""},
		"member twice":    {`{"type":"a","type":"b"}`, 400, "malformed", ""},
		"trailing":        {`{}{}`, 400, "malformed", ""},
		"BOM":             {"\xef\xbb\xbf{}", 400, "malformed", ""},
		"not UTF-8":       {"{\"type\":\"\xff\"}", 400, "malformed", ""},
		"no object":       {`[]`, 422, "invalid", ""},
		"unknown member":  {`{"to":{"all":true},"type":"t","colour":"red"}`, 422, "invalid", "/colour"},
		"no type":         {`{"to":{"all":true}}`, 422, "invalid", "/type"},
		"bad type":        {`{"to":{"all":true},"type":"a b"}`, 422, "invalid", "/type"},
		"long type":       {`{"to":{"all":true},"type":"` + strings.Repeat("t", 129) + `"}`, 422, "invalid", "/type"},
		"no audience":     {`{"type":"t"}`, 422, "invalid", "/to"},
		"no users":        {`{"to":{"users":[]},"type":"t"}`, 422, "invalid", "/to"},
		"both":            {`{"to":{"users":["a"],"all":true},"type":"t"}`, 422, "invalid", "/to"},
		"bad user":        {`{"to":{"users":["ok","a b"]},"type":"t"}`, 422, "invalid", "/to/users/1"},
		"dot as user":     {`{"to":{"users":["ok","."]},"type":"t"}`, 422, "invalid", "/to/users/1"},
		"dots as topic":   {`{"to":{"topics":[".."]},"type":"t"}`, 422, "invalid", "/to/topics/0"},
		"long user":       {`{"to":{"users":["` + strings.Repeat("é", 129) + `"]},"type":"t"}`, 422, "invalid", "/to/users/0"},
		"many users":      {`{"to":{"users":[` + strings.Repeat(`"a",`, 1000) + `"a"]},"type":"t"}`, 422, "invalid", "/to/users"},
		"long title":      {`{"to":{"all":true},"type":"t","title":"` + strings.Repeat("é", 257) + `"}`, 422, "invalid", "/title"},
		"long body":       {`{"to":{"all":true},"type":"t","body":"` + strings.Repeat("é", 4097) + `"}`, 422, "invalid", "/body"},
		"large data":      {`{"to":{"all":true},"type":"t","data":{"a":"` + strings.Repeat("x", 16<<10) + `"}}`, 422, "invalid", "/data"},
		"data no object":  {`{"to":{"all":true},"type":"t","data":[]}`, 422, "invalid", "/data"},
		"ttl 0":           {`{"to":{"all":true},"type":"t","ttl":0}`, 422, "invalid", "/ttl"},
		"ttl too long":    {`{"to":{"all":true},"type":"t","ttl":2592001}`, 422, "invalid", "/ttl"},
		"priority":        {`{"to":{"all":true},"type":"t","priority":"urgent"}`, 422, "invalid", "/priority"},
		"no topics":       {`{"to":{"topics":[]},"type":"t"}`, 422, "invalid", "/to"},
		"a pattern":       {`{"to":{"topics":["ok","x.*"]},"type":"t"}`, 422, "invalid", "/to/topics/1"},
		"many topics":     {`{"to":{"topics":[` + strings.Repeat(`"a",`, 10) + `"a"]},"type":"t"}`, 422, "invalid", "/to/topics"},
		"topics and all":  {`{"to":{"topics":["a"],"all":true},"type":"t"}`, 422, "invalid", "/to"},
		"no collapse_key": {`{"to":{"all":true},"type":"t","collapse_key":""}`, 422, "invalid", "/collapse_key"},
		"long key":        {`{"to":{"all":true},"type":"t","collapse_key":"` + strings.Repeat("é", 129) + `"}`, 422, "invalid", "/collapse_key"},
		"deliver_at":      {`{"to":{"all":true},"type":"t","deliver_at":"2026-12-01"}`, 422, "invalid", "/deliver_at"},
		"too far ahead":   {`{"to":{"all":true},"type":"t","deliver_at":"2999-12-01T09:00:00Z"}`, 422, "invalid", "/deliver_at"},
		"ephemeral later": {`{"to":{"all":true},"type":"t","deliver_at":"2026-12-01T09:00:00Z","ephemeral":true}`, 422, "invalid", "/deliver_at"},
		"too large":       {`{"to":{"all":true},"type":"t","body":"` + strings.Repeat("x", 512<<10) + `"}`, 413, "too-large", ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.post("/notify", c.body)
			assert.Equal(t, c.status, a.StatusCode, "%s", a.body)
			assert.Equal(t, c.problem, a.problem(t))
			got := a.json(t)
			assert.Equal(t, "urn:uuid:"+a.Header.Get("X-Request-Id"), got["instance"])
			if c.pointer == "" {
				return
			}
			faults, _ := got["errors"].([]any)
			require.NotEmpty(t, faults, "%s", a.body)
			assert.Equal(t, c.pointer, faults[0].(map[string]any)["pointer"])
		})
	}
}

// Values equal to a limit are allowed.
func TestNotifyAcceptsValuesAtTheLimits(t *testing.T) {
	s := start(t)
	for _, body := range []string{
		`{"to":{"users":["` + strings.Repeat("é", 128) + `"]},"type":"` + strings.Repeat("t", 128) + `","ttl":2592000,` +
			`"title":"` + strings.Repeat("é", 256) + `","body":"` + strings.Repeat("é", 4096) + `",` +
			`"data":{"a":"` + strings.Repeat("x", 16<<10-8) + `"},"priority":"low"}`,
		`{"to":{"users":["\u0061da",":/*>"]},"type":"A-z_0.9","data":{},"ttl":1,"title":"","body":null}`,
	} {
		assert.Equal(t, http.StatusAccepted, s.post("/notify", body).StatusCode)
	}
}

func TestRequestHeaders(t *testing.T) {
	s := start(t)
	body := draft(t, "x", "ada")
	for name, c := range map[string]struct {
		headers []string
		status  int
		problem string
	}{
		"form":            {[]string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "media-type"},
		"charset":         {[]string{"Content-Type", "application/json; charset=latin1"}, 415, "media-type"},
		"deflate":         {[]string{"Content-Encoding", "deflate"}, 415, "media-type"},
		"empty key":       {[]string{"Idempotency-Key", `""`}, 400, "malformed"},
		"long key":        {[]string{"Idempotency-Key", strings.Repeat("k", 256)}, 400, "malformed"},
		"key not ASCII":   {[]string{"Idempotency-Key", "é"}, 400, "malformed"},
		"charset is UTF8": {[]string{"Content-Type", "application/json; charset=UTF-8"}, 202, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.post("/notify", body, c.headers...)
			assert.Equal(t, c.status, a.StatusCode, "%s", a.body)
			if c.problem != "" {
				assert.Equal(t, c.problem, a.problem(t))
			}
		})
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write([]byte(body))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	assert.Equal(t, 415, s.post("/notify", packed.String(), "Content-Encoding", "gzip").StatusCode)
}

func TestTokens(t *testing.T) {
	s := start(t)
	body := draft(t, "x", "ada")
	for name, c := range map[string]struct {
		authorization string
		status        int
		problem       string
		challenge     string
	}{
		"none":      {"", 401, "unauthenticated", "Bearer"},
		"basic":     {"Basic YTpi", 401, "unauthenticated", "Bearer"},
		"garbage":   {"Bearer garbage", 401, "token-invalid", `Bearer error="invalid_token"`},
		"expired":   {"Bearer " + sign(t, auth.Claims{User: "ada", Expires: time.Now().Add(-time.Hour)}), 401, "token-expired", `Bearer error="invalid_token"`},
		"no scope":  {"Bearer " + token(t, "ada"), 403, "scope", `Bearer error="insufficient_scope"`},
		"broadcast": {"Bearer " + token(t, "ada", notify.ScopeBroadcast), 403, "scope", `Bearer error="insufficient_scope"`},
		"good":      {"Bearer " + token(t, "ada", notify.ScopePublish), 202, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var headers []string
			if c.authorization != "" {
				headers = []string{"Authorization", c.authorization}
			}
			a := s.do(http.MethodPost, "/notify", body, headers...)
			assert.Equal(t, c.status, a.StatusCode, "%s", a.body)
			assert.Contains(t, a.Header.Get("WWW-Authenticate"), c.challenge)
			if c.problem != "" {
				assert.Equal(t, c.problem, a.problem(t))
			}
		})
	}
}

func TestBatch(t *testing.T) {
	s := start(t)
	ada := s.live("ada")
	batch := func(items ...string) string { return `{"notifications":[` + strings.Join(items, ",") + `]}` }
	bad := `{"to":{"users":["ada"]},"type":""}`
	one, two, three := draft(t, "one", "ada"), draft(t, "two", "ada"), draft(t, "three")

	// The invalid item violates openapi.yaml on purpose: the service must accept
	// the request all the same.
	a := s.postIn(contract.Meant(t.Context()), "/notify/batch", batch(one, bad, three), "Idempotency-Key", "k")
	require.Equal(t, http.StatusAccepted, a.StatusCode, "%s", a.body)
	assert.EqualValues(t, 1, a.json(t)["failed"])
	assert.Equal(t, []int{202, 422, 202}, statuses(t, a))
	a = s.post("/notify/batch", batch(one, two, three), "Idempotency-Key", "k")
	assert.EqualValues(t, 0, a.json(t)["failed"])
	assert.Equal(t, []int{202, 202, 202}, statuses(t, a))
	ada.expect("one", "three", "two")

	for body, status := range map[string]int{
		`{"notifications":[]}`: 422,
		`{}`:                   422,
		`[]`:                   422,
		`{"notifications":[` + strings.TrimSuffix(strings.Repeat(one+",", 1001), ",") + `]}`: 422,
		`{"notifications":[{"body":"` + strings.Repeat("x", 4<<20) + `"}]}`:                  413,
	} {
		assert.Equal(t, status, s.post("/notify/batch", body).StatusCode)
	}
}

func statuses(t *testing.T, a response) []int {
	t.Helper()
	var all []int
	results, _ := a.json(t)["results"].([]any)
	for _, r := range results {
		status, _ := r.(map[string]any)["status"].(float64)
		all = append(all, int(status))
	}
	return all
}

func TestHandshake(t *testing.T) {
	s := start(t, func(c *config.Config) { c.AllowedOrigins = []string{"https://app.example.com"} })
	ada := token(t, "ada")
	c, resp, err := s.dial("", "", "Sec-WebSocket-Protocol", "bellhop.v1, bearer."+ada)
	require.NoError(t, err)
	assert.Equal(t, "bellhop.v1", resp.Header.Get("Sec-WebSocket-Protocol"))
	c.expect("welcome", "live")
	_, _, err = s.dial(ada, "", "Origin", "https://APP.example.com:443")
	require.NoError(t, err)

	for name, c := range map[string]struct {
		token   string
		headers []string
		status  int
	}{
		"no token":         {"", nil, 401},
		"bad token":        {"x", nil, 401},
		"two places":       {ada, []string{"Sec-WebSocket-Protocol", "bellhop.v1, bearer." + ada}, 400},
		"token alone":      {"", []string{"Sec-WebSocket-Protocol", "bearer." + ada}, 400},
		"unknown protocol": {ada, []string{"Sec-WebSocket-Protocol", "chat"}, 400},
		"other origin":     {ada, []string{"Origin", "https://evil.example"}, 403},
		"origin, no token": {"", []string{"Origin", "https://evil.example"}, 401},
		"origin null":      {ada, []string{"Origin", "null"}, 403},
		"subdomain":        {ada, []string{"Origin", "https://x.app.example.com"}, 403},
		"suffix":           {ada, []string{"Origin", "https://app.example.com.evil.example"}, 403},
		"other scheme":     {ada, []string{"Origin", "http://app.example.com"}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			_, resp, err := s.dial(c.token, "", c.headers...)
			refused(t, resp, err, c.status)
		})
	}
}

// A browser hides why its WebSocket handshake failed. A plain GET of the same URL
// answers with the reason.
func TestGetOfTheWebSocketURLExplainsRefusals(t *testing.T) {
	s := start(t)
	ada := "Bearer " + token(t, "ada")
	assert.Equal(t, 401, s.do(http.MethodGet, "/ws", "").StatusCode)
	assert.Equal(t, 403, s.do(http.MethodGet, "/ws", "", "Authorization", ada, "Origin", "https://evil.example").StatusCode)
	a := s.do(http.MethodGet, "/ws", "", "Authorization", ada)
	assert.Equal(t, 426, a.StatusCode)
	assert.Equal(t, "upgrade", a.problem(t))
	assert.Equal(t, "websocket", strings.ToLower(a.Header.Get("Upgrade")))
	a = s.do(http.MethodGet, "/ws?token="+token(t, "ada"), "")
	assert.Equal(t, 401, a.StatusCode)
	assert.NotContains(t, string(a.body), "eyJ")
}

func TestCORS(t *testing.T) {
	const app = "https://app.example.com"
	s := start(t, func(c *config.Config) { c.AllowedOrigins = []string{app} })
	pre := s.do(http.MethodOptions, "/notify", "", "Origin", app, "Access-Control-Request-Method", "POST",
		"Access-Control-Request-Headers", "authorization,content-type")
	assert.Equal(t, http.StatusNoContent, pre.StatusCode)
	assert.Equal(t, app, pre.Header.Get("Access-Control-Allow-Origin"))
	assert.Equal(t, "600", pre.Header.Get("Access-Control-Max-Age"))
	assert.Empty(t, pre.Header.Get("Access-Control-Allow-Credentials"))

	bad := s.do(http.MethodPost, "/notify", "{}", "Origin", app)
	assert.Equal(t, 401, bad.StatusCode)
	assert.Equal(t, app, bad.Header.Get("Access-Control-Allow-Origin"), "errors have CORS headers too")
	assert.Contains(t, bad.Header.Get("Vary"), "Origin")
	evil := s.do(http.MethodPost, "/notify", "{}", "Origin", "https://evil.example")
	assert.Empty(t, evil.Header.Get("Access-Control-Allow-Origin"))
}

// Mobile and desktop apps send origins whose scheme is neither http nor https.
func TestOriginsOfApps(t *testing.T) {
	apps := []string{"app://.", "file://", "capacitor://localhost", "tauri://localhost", "null"}
	s := start(t, func(c *config.Config) { c.AllowedOrigins = apps })
	ada := token(t, "ada")
	for _, app := range apps {
		c, _, err := s.dial(ada, "", "Origin", app)
		require.NoError(t, err, app)
		c.expect("welcome", "live")
		inbox := s.do(http.MethodGet, "/inbox", "", "Authorization", "Bearer "+ada, "Origin", app)
		assert.Equal(t, app, inbox.Header.Get("Access-Control-Allow-Origin"))
		pre := s.do(http.MethodOptions, "/events", "", "Origin", app, "Access-Control-Request-Method", "GET")
		assert.Equal(t, app, pre.Header.Get("Access-Control-Allow-Origin"))
	}
	a := s.do(http.MethodGet, "/ws", "", "Authorization", "Bearer "+ada, "Origin", "http://bell.example.com")
	assert.Equal(t, 403, a.StatusCode)
	assert.Contains(t, string(a.body), "BELLHOP_ALLOWED_ORIGINS")
	assert.Contains(t, string(a.body), "http://bell.example.com")
}

// A polyfill of EventSource may send its cursor in a parameter of another name.
// The service refuses unknown parameters, because ignoring them would lose events
// silently.
func TestUnknownQueryParametersAreRefused(t *testing.T) {
	s := start(t)
	ada := "Bearer " + token(t, "ada")
	for _, path := range []string{"/events", "/ws", "/inbox"} {
		a := s.do(http.MethodGet, path+"?lastEventId=c7", "", "Authorization", ada)
		assert.Equal(t, 400, a.StatusCode, path)
		assert.Equal(t, "malformed", a.problem(t))
		assert.Contains(t, string(a.body), "lastEventId")
	}
}

func TestPathsUnderABasePath(t *testing.T) {
	s := start(t, func(c *config.Config) { c.BasePath = "/bell" })
	assert.Equal(t, 200, s.do(http.MethodGet, "/livez", "").StatusCode)
	a := s.do(http.MethodGet, "/readyz", "")
	assert.Equal(t, 200, a.StatusCode)
	assert.Contains(t, string(a.body), `"version":"`)
	a = s.do(http.MethodGet, "/openapi.yaml", "")
	assert.Equal(t, 200, a.StatusCode)
	assert.Contains(t, string(a.body), "openapi: 3.1")
	a = s.do(http.MethodGet, "/docs", "")
	assert.Equal(t, 200, a.StatusCode)
	assert.Contains(t, string(a.body), `src="docs/docs.js"`)
	a = s.do(http.MethodGet, "/docs/asyncapi.yaml", "")
	assert.Equal(t, 200, a.StatusCode)
	assert.Contains(t, string(a.body), "asyncapi: 3.0")
	assert.Equal(t, "not-found", s.do(http.MethodGet, "/docs/other.yaml", "").problem(t))
	assert.Equal(t, "not-found", s.do(http.MethodGet, "/nothing", "").problem(t))
	a = s.do(http.MethodGet, "/notify", "")
	assert.Equal(t, 405, a.StatusCode)
	assert.Contains(t, a.Header.Get("Allow"), "POST")
	s.publish("x", "ada")
	s.connect("ada", "earliest").expect("x", "live")
}
