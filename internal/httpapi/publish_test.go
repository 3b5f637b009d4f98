package httpapi_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/httpapi"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/test/contract"
)

func TestThePublishAnswerIsTheReceipt(t *testing.T) {
	for name, test := range map[string]struct {
		receipt notify.Receipt
		body    string
		want    string
	}{
		"to users":    {notify.Receipt{ID: id, Recipients: 2}, toAda, `{"id":"` + id + `","recipients":2,"duplicate":false}`},
		"to everyone": {notify.Receipt{ID: id}, `{"to":{"all":true},"type":"t"}`, `{"id":"` + id + `","duplicate":false}`},
		"again":       {notify.Receipt{ID: id, Recipients: 1, Duplicate: true}, toAda, `{"id":"` + id + `","recipients":1,"duplicate":true}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.publisher.receipt = test.receipt
			a := s.do("POST", "/notify", test.body)
			require.Equal(t, http.StatusAccepted, a.StatusCode)
			require.JSONEq(t, test.want, string(a.body))
			require.Equal(t, "application/json", a.Header.Get("Content-Type"))
			require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
			require.Equal(t, "user:ada", s.publisher.by.Name)
			require.Equal(t, []service.Call{{Path: "/notify"}}, s.publisher.calls)
			require.Equal(t, []observation{{"/notify", 202}}, s.metrics.all())
		})
	}
}

func TestPublishTakesEveryMember(t *testing.T) {
	s := start(t)
	a := s.do("POST", "/notify", `{"to":{"users":["ada","grace"]},"type":"comment.created","title":"Grace commented",
		"body":"Looks good to me","data":{"issue":42},"ttl":86400,"priority":"high","ephemeral":true}`)
	require.Equal(t, http.StatusAccepted, a.StatusCode)
	d := s.publisher.items[0].Draft
	require.Equal(t, []notify.UserID{"ada", "grace"}, d.Users)
	require.Equal(t, 24*time.Hour, d.TTL)
	require.Equal(t, notify.PriorityHigh, d.Priority)
	require.True(t, d.Ephemeral)
}

func TestIdempotencyKey(t *testing.T) {
	for key, want := range map[string]string{
		"":            "",
		"k":           "k",
		`"k"`:         "k",
		"a b":         "a b",
		longKey("x"):  longKey("x"),
		quoted(255):   longKey("x"),
		`"half`:       `"half`,
		"with,commas": "with,commas",
	} {
		s := start(t)
		a := s.do("POST", "/notify", toAda, "Idempotency-Key", key)
		require.Equal(t, http.StatusAccepted, a.StatusCode, key)
		require.Equal(t, []service.Call{{Path: "/notify", Key: want}}, s.publisher.calls)
	}
	for name, lines := range map[string][]string{
		"too long": {"Idempotency-Key", longKey("x") + "x"},
		"empty":    {"Idempotency-Key", `""`},
		"no ASCII": {"Idempotency-Key", "é"},
		"twice":    {"Idempotency-Key", "a", "Idempotency-Key", "a"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.problem(s.do("POST", "/notify", toAda, lines...), 400, "malformed")
			s.problem(s.do("POST", "/notify/batch", `{"notifications":[`+toAda+`]}`, lines...), 400, "malformed")
			require.Empty(t, s.publisher.calls)
		})
	}
}

func longKey(s string) string { return strings.Repeat(s, 255) }

func quoted(n int) string { return `"` + strings.Repeat("x", n) + `"` }

func TestRefusedPublish(t *testing.T) {
	for name, test := range map[string]struct {
		body    string
		headers []string
		status  int
		problem string
	}{
		"no token":           {toAda, []string{"Authorization", ""}, 401, "unauthenticated"},
		"another scheme":     {toAda, []string{"Authorization", "Basic YTpi"}, 401, "unauthenticated"},
		"two tokens":         {toAda, []string{"Authorization", "Bearer good", "Authorization", "Bearer good"}, 400, "malformed"},
		"bad token":          {toAda, []string{"Authorization", "Bearer bad"}, 401, "token-invalid"},
		"expired token":      {toAda, []string{"Authorization", "Bearer expired"}, 401, "token-expired"},
		"revoked token":      {toAda, []string{"Authorization", "Bearer revoked"}, 401, "token-revoked"},
		"no keys":            {toAda, []string{"Authorization", "Bearer nokeys"}, 503, "unavailable"},
		"no type":            {toAda, []string{"Content-Type", ""}, 415, "media-type"},
		"text":               {toAda, []string{"Content-Type", "text/plain"}, 415, "media-type"},
		"another charset":    {toAda, []string{"Content-Type", "application/json; charset=latin1"}, 415, "media-type"},
		"another parameter":  {toAda, []string{"Content-Type", "application/json; v=1"}, 415, "media-type"},
		"two types":          {toAda, []string{"Content-Type", "application/json", "Content-Type", "application/json"}, 415, "media-type"},
		"compressed":         {toAda, []string{"Content-Encoding", "gzip"}, 415, "media-type"},
		"empty":              {"", nil, 400, "malformed"},
		"no JSON":            {"{", nil, 400, "malformed"},
		"duplicate key":      {`{"type":"a","type":"b"}`, nil, 400, "malformed"},
		"trailing data":      {toAda + "{}", nil, 400, "malformed"},
		"byte order mark":    {"\ufeff" + toAda, nil, 400, "malformed"},
		"invalid UTF-8":      {`{"type":"` + "\xff" + `"}`, nil, 400, "malformed"},
		"unknown member":     {`{"to":{"users":["ada"]},"type":"t","colour":1}`, nil, 422, "invalid"},
		"topics and users":   {`{"to":{"topics":["t"],"users":["ada"]},"type":"t"}`, nil, 422, "invalid"},
		"empty collapse_key": {`{"to":{"users":["ada"]},"type":"t","collapse_key":""}`, nil, 422, "invalid"},
		"deliver_at no time": {`{"to":{"users":["ada"]},"type":"t","deliver_at":"soon"}`, nil, 422, "invalid"},
		"too large":          {`"` + strings.Repeat("x", 512<<10) + `"`, nil, 413, "too-large"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			a := s.do("POST", "/notify", test.body, test.headers...)
			p := s.problem(a, test.status, test.problem)
			require.Equal(t, test.problem == "invalid", len(p.Errors) > 0)
			require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
			require.Empty(t, s.publisher.calls)
			require.Equal(t, []observation{{"/notify", test.status}}, s.metrics.all())
		})
	}
}

func TestAcceptedMediaTypes(t *testing.T) {
	for _, header := range [][]string{
		{"Content-Type", "application/json"},
		{"Content-Type", "application/json; charset=utf-8"},
		{"Content-Type", `Application/JSON;charset="UTF-8"`},
		{"Content-Encoding", "identity"},
	} {
		s := start(t)
		require.Equal(t, http.StatusAccepted, s.do("POST", "/notify", toAda, header...).StatusCode, "%v", header)
	}
}

// TestLargestBody pads with white space, which the limits on members do not
// count.
func TestLargestBody(t *testing.T) {
	s := start(t)
	s.publisher.results = []service.Result{{Receipt: notify.Receipt{ID: id, Recipients: 1}}}
	for path, size := range map[string]int{"/notify": 512 << 10, "/notify/batch": 4 << 20} {
		body := toAda
		if path == "/notify/batch" {
			body = `{"notifications":[` + toAda + `]}`
		}
		body += strings.Repeat(" ", size-len(body))
		require.Equal(t, http.StatusAccepted, s.do("POST", path, body).StatusCode)
		s.problem(s.do("POST", path, body+" "), 413, "too-large")

		// Without a length said beforehand.
		r, err := http.NewRequest("POST", s.url+path, io.MultiReader(strings.NewReader(body+" ")))
		require.NoError(t, err)
		r.Header.Set("Authorization", "Bearer good")
		r.Header.Set("Content-Type", "application/json")
		r.ContentLength = -1
		resp, err := s.client.Do(r)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, http.StatusRequestEntityTooLarge, resp.StatusCode)
	}
}

var tooOften = &notify.Error{
	Kind: notify.ErrLimit, RetryAfter: 1500 * time.Millisecond,
	Rate: notify.Rate{Name: "broadcasts", Quota: 100, Window: time.Second},
}

func TestOutcomesOfPublishing(t *testing.T) {
	for name, test := range map[string]struct {
		err     error
		status  int
		problem string
		header  string // name and value
	}{
		"scope":    {notify.Principal{}.May(notify.ScopePublish), 403, "scope", `Www-Authenticate: Bearer error="insufficient_scope"`},
		"waiting":  {notify.Errorf(notify.ErrInProgress, "wait"), 409, "in-progress", "Retry-After: 1"},
		"invalid":  {notify.Invalid(notify.Fault{Pointer: "/ttl", Detail: "too long"}), 422, "invalid", ""},
		"reused":   {notify.Errorf(notify.ErrKeyReused, "another body"), 422, "key-reused", ""},
		"limit":    {tooOften, 429, "limit", "Retry-After: 2"},
		"full":     {notify.Errorf(notify.ErrUnavailable, "the disk is full"), 503, "unavailable", "Retry-After: 5"},
		"unknown":  {notify.Errorf(notify.ErrOutcomeUnknown, "it may be stored"), 503, "outcome-unknown", "Retry-After: 1"},
		"internal": {errors.New("secret of ours"), 500, "internal", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.publisher.err = test.err
			a := s.do("POST", "/notify", toAda)
			p := s.problem(a, test.status, test.problem)
			if name, value, ok := strings.Cut(test.header, ": "); ok {
				require.Equal(t, value, a.Header.Get(name))
			}
			if test.status == 500 {
				require.Empty(t, p.Detail)
				require.NotContains(t, string(a.body), "secret")
				require.Equal(t, 1, strings.Count(s.logs.String(), "secret of ours"))
				require.Contains(t, s.logs.String(), a.Header.Get("X-Request-Id"))
			}
		})
	}
}

func TestChallenges(t *testing.T) {
	for authorization, want := range map[string]string{
		"":               "Bearer",
		"Bearer bad":     `Bearer error="invalid_token"`,
		"Bearer expired": `Bearer error="invalid_token"`,
		"Bearer revoked": `Bearer error="invalid_token"`,
	} {
		s := start(t)
		a := s.do("POST", "/notify", toAda, "Authorization", authorization)
		require.Equal(t, []string{want}, a.Header.Values("WWW-Authenticate"), authorization)
	}
}

func TestBatchAnswersEachItemInOrder(t *testing.T) {
	s := start(t)
	s.publisher.results = []service.Result{
		{Receipt: notify.Receipt{ID: id, Recipients: 1}},
		{Err: notify.Invalid(notify.Fault{Pointer: "/type", Detail: "is required"})},
		{Err: errors.New("secret of ours")},
		{Receipt: notify.Receipt{ID: id, Duplicate: true}},
	}
	bad := `{"to":{"users":["ada"]}}`
	a := s.doContext(contract.Meant(t.Context()), "POST", "/notify/batch",
		fmt.Sprintf(`{"notifications":[%s,%s,%s,%s]}`, toAda, bad, toAda, toAda), "Idempotency-Key", "k")
	require.Equal(t, http.StatusAccepted, a.StatusCode)
	instance := "urn:uuid:" + a.Header.Get("X-Request-Id")
	require.JSONEq(t, fmt.Sprintf(`{"failed":2,"results":[
		{"status":202,"id":%q,"recipients":1,"duplicate":false},
		{"status":422,"type":"urn:bellhop:problem:invalid","title":"The body is not valid",
			"detail":"the body breaks the rules listed in errors","instance":%q,
			"errors":[{"pointer":"/type","detail":"is required"}]},
		{"status":500,"type":"urn:bellhop:problem:internal","title":"Internal error","instance":%q},
		{"status":202,"id":%q,"duplicate":true}]}`, id, instance, instance, id), string(a.body))
	require.Equal(t, []service.Call{{Path: "/notify/batch", Key: "k"}}, s.publisher.calls)
	require.Len(t, s.publisher.items, 4)
	require.Equal(t, 1, strings.Count(s.logs.String(), "secret of ours"))
}

func TestRefusedBatch(t *testing.T) {
	for name, test := range map[string]struct {
		body    string
		status  int
		problem string
	}{
		"no items":       {`{"notifications":[]}`, 422, "invalid"},
		"unknown member": {`{"notifications":[` + toAda + `],"x":1}`, 422, "invalid"},
		"too many items": {`{"notifications":[` + strings.Repeat(toAda+",", 1000) + toAda + `]}`, 422, "invalid"},
		"no JSON":        {`[`, 400, "malformed"},
		"too large":      {strings.Repeat(" ", 4<<20) + "{}", 413, "too-large"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.problem(s.do("POST", "/notify/batch", test.body), test.status, test.problem)
			require.Empty(t, s.publisher.calls)
		})
	}
}

// A publish that is not durable within ten seconds is answered with outcome-unknown.
func TestAPublishTimesOutAfterTenSeconds(t *testing.T) {
	for path, body := range map[string]string{"/notify": toAda, "/notify/batch": `{"notifications":[` + toAda + `]}`} {
		synctest.Test(t, func(t *testing.T) {
			s := newFakeService(t)
			s.publisher.wait = true
			h := httpapi.NewAPI(s.options()).Public()
			r := httptest.NewRequest("POST", path, bytes.NewReader([]byte(body)))
			r.Header.Set("Authorization", "Bearer good")
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			begun := time.Now()
			h.ServeHTTP(w, r)
			require.Equal(t, 10*time.Second, time.Since(begun)) // of the bubble's clock
			require.Contains(t, w.Body.String(), "urn:bellhop:problem:outcome-unknown")
		})
	}
}

func TestPanicIsAnInternalError(t *testing.T) {
	s := start(t, func(o *httpapi.Options) {
		o.Pages = map[string]http.Handler{"/boom": http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("secret of ours") })}
	})
	a := s.do("GET", "/boom", "")
	s.problem(a, 500, "internal")
	require.NotContains(t, string(a.body), "secret")
	require.Contains(t, s.logs.String(), "secret of ours")
}
