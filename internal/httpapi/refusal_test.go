package httpapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/httpapi"
	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/problem"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/test/contract"
	"github.com/bellhop/bellhop/test/logtext"
)

// audits returns the audit lines about the request with this ID.
func (s *fakeService) audits(requestID string) []string {
	var found []string
	for line := range strings.Lines(s.logs.String()) {
		if strings.Contains(line, "audit=true") && strings.Contains(line, "request_id="+requestID+" ") {
			found = append(found, line)
		}
	}
	return found
}

// oneAudit returns the only audit line about the request that a answers.
func (s *fakeService) oneAudit(a answer) string {
	s.t.Helper()
	all := s.audits(a.Header.Get("X-Request-Id"))
	require.Len(s.t, all, 1, "%d %s", a.StatusCode, s.logs)
	return all[0]
}

// kinds are the kinds of errors that callers may see, and one that is internal.
var kinds = []error{
	notify.ErrMalformed, notify.ErrUnauthenticated, notify.ErrTokenInvalid, notify.ErrTokenExpired, notify.ErrTokenRevoked,
	notify.ErrScope, notify.ErrOrigin, notify.ErrMisdirected, notify.ErrNotFound, notify.ErrMethod, notify.ErrInProgress,
	notify.ErrTooLarge, notify.ErrMediaType, notify.ErrInvalid, notify.ErrKeyReused, notify.ErrUpgrade, notify.ErrLimit,
	notify.ErrDraining, notify.ErrUnavailable, notify.ErrOutcomeUnknown, errors.New("a fault"),
}

// Each kind of problem in openapi.yaml has one line with the ID of its answer and a reason
// that its caller does not receive.
func TestEveryKindOfRefusalIsExplained(t *testing.T) {
	var seen []string
	for _, kind := range kinds {
		s := start(t)
		s.client = http.DefaultClient // most kinds are none that POST /notify documents
		s.publisher.err = fmt.Errorf("publish: %w", &notify.Error{Kind: kind, Detail: "the detail", Reason: "the reason"})
		a := s.do("POST", "/notify", toAda)
		line := s.oneAudit(a)
		var p problem.Details
		require.NoError(t, json.Unmarshal(a.body, &p))
		seen = append(seen, p.Type)
		for _, part := range []string{
			`action="POST /notify"`, "principal=user:ada", "address=127.0.0.1",
			"problem=" + p.Name(), fmt.Sprint("status=", a.StatusCode), "the reason",
		} {
			require.Contains(t, line, part)
		}
		require.NotContains(t, string(a.body), "the reason")
	}
	seen = slices.DeleteFunc(seen, func(t string) bool { return strings.HasSuffix(t, ":misdirected") }) // of the admin listener alone
	slices.Sort(seen)
	document, err := os.ReadFile("../../openapi.yaml")
	require.NoError(t, err)
	documented := regexp.MustCompile(`urn:bellhop:problem:[a-z-]+`).FindAllString(string(document), -1)
	slices.Sort(documented)
	require.Equal(t, slices.Compact(documented), seen)
}

// Refusals by routes, transports, pages and middleware are logged alike. A caller that is not
// authenticated has no name in the line, and names no target.
func TestRefusalsAreLoggedWhereverTheyHappen(t *testing.T) {
	ws := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AQIDBAUGBwgJCgsMDQ4PEA=="}
	grace := []string{"Authorization", "Bearer grace"}
	for name, test := range map[string]struct {
		method, path, body string
		headers            []string
		want               string
	}{
		"no token":          {"GET", "/inbox", "", nil, `action="GET /inbox" outcome=refused request_id=r address=127.0.0.1 problem=unauthenticated status=401`},
		"no token, action":  {"DELETE", "/users/grace/connections", "", nil, `action="DELETE /users/:user/connections" outcome=refused target=grace request_id=r address=127.0.0.1 problem=unauthenticated`},
		"bad token":         {"GET", "/ws", "", append(ws, "Authorization", "Bearer x"), `action="GET /ws" outcome=refused request_id=r address=127.0.0.1 problem=token-invalid`},
		"expired":           {"GET", "/events", "", []string{"Authorization", "Bearer expired"}, `action="GET /events" outcome=refused request_id=r address=127.0.0.1 problem=token-expired`},
		"origin":            {"GET", "/ws", "", append(ws, "Authorization", "Bearer grace", "Origin", stranger), `user=grace request_id=r address=127.0.0.1 problem=origin status=403 reason="origin not allowed: the origin \"https://evil.example\"`},
		"no handshake":      {"GET", "/ws", "", grace, `user=grace request_id=r address=127.0.0.1 problem=upgrade status=426`},
		"transport":         {"GET", "/events?cursor=refuse", "", grace, `action="GET /events" outcome=refused user=grace request_id=r address=127.0.0.1 problem=draining status=503`},
		"query":             {"GET", "/inbox?colour=1", "", grace, `user=grace request_id=r address=127.0.0.1 problem=malformed status=400`},
		"no path":           {"GET", "/salary-of-anna", "", nil, `action="GET other" outcome=refused request_id=r address=127.0.0.1 problem=not-found status=404`},
		"method":            {"PUT", "/notify", "", nil, `action="PUT /notify" outcome=refused request_id=r address=127.0.0.1 problem=method status=405`},
		"made-up method":    {"A", "/notify", "", nil, `action="other /notify"`},
		"large":             {"POST", "/inbox/read", strings.Repeat(" ", 65<<10), nil, `problem=too-large status=413`},
		"media type":        {"POST", "/notify", toAda, []string{"Content-Type", "text/plain"}, `principal=user:ada request_id=r address=127.0.0.1 problem=media-type status=415`},
		"no scope":          {"DELETE", "/users/grace/connections", "", grace, `action="DELETE /users/:user/connections" outcome=refused user=grace target=grace request_id=r address=127.0.0.1 problem=scope status=403 reason="scope missing: the scope notify:admin`},
		"faults":            {"POST", "/notify", `{"to":{"user":["anna"]},"type":"t","title":"Your salary"}`, nil, `problem=invalid status=422 reason="invalid: /to/user unknown member; allowed: users, topics`},
		"not ready":         {"GET", "/readyz", "", nil, `level=WARN msg="request refused" audit=true action="GET /readyz" outcome=refused request_id=r address=127.0.0.1 problem=unavailable status=503 reason="unavailable: the store has failed (bad checksum)"`},
		"page":              {"GET", "/demo/x", "", nil, `action="GET /demo/*" outcome=refused request_id=r address=127.0.0.1 problem=not-found`},
		"signature":         {"POST", "/notify", toAda, []string{"Authorization", "", "webhook-id", "bad", "webhook-timestamp", "1", "webhook-signature", "v1,x"}, `problem=token-invalid status=401 reason="token invalid: no such signature"`},
		"webhook's request": {"POST", "/notify", `{"x":1}`, []string{"Authorization", "", "webhook-id", "good", "webhook-timestamp", "1", "webhook-signature", "v1,x"}, `principal=webhook:shop request_id=r address=127.0.0.1 problem=invalid`},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, func(o *httpapi.Options) {
				refuse := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					problem.Respond(w, r, notify.ErrDraining)
				})
				o.Events = refuse
				o.Ready = func() error { return errors.New("bad checksum") }
				o.Pages = map[string]http.Handler{"/demo/*": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					problem.Respond(w, r, notify.ErrNotFound)
				})}
			})
			a := s.doContext(contract.Meant(t.Context()), test.method, test.path, test.body, append(test.headers, "X-Request-Id", "r")...)
			require.GreaterOrEqual(t, a.StatusCode, 400)
			require.Contains(t, strings.ReplaceAll(s.oneAudit(a), " instance="+instanceOf(t, a), ""), test.want)
			for _, private := range []string{"salary", "Bearer x", "Bearer expired", "grace/connections"} {
				require.NotContains(t, s.logs.String(), private)
			}
		})
	}
}

// A request beyond a limit is logged with the limit that it has reached.
func TestLimitsAreExplained(t *testing.T) {
	s := start(t, func(o *httpapi.Options) {
		o.Requests = &limit.Principals{Users: limit.New(notify.Rate{Name: "requests", Quota: 1, Window: time.Hour}, 0)}
	})
	s.do("POST", "/inbox/read", `{"all":true}`, "Authorization", "Bearer grace")
	a := s.do("POST", "/inbox/read", `{"all":true}`, "Authorization", "Bearer grace")
	require.Equal(t, http.StatusTooManyRequests, a.StatusCode)
	require.Contains(t, s.oneAudit(a), `reason="limit reached: more than 1 requests in`)
}

// An action of an operator has a line once it was carried out, and one if it was refused.
func TestActionsOfOperatorsAreLogged(t *testing.T) {
	for action, test := range map[string]struct{ method, path, body, target string }{
		"recall":     {"DELETE", "/notifications/" + id, "", id},
		"disconnect": {"DELETE", "/users/grace/connections", "", "grace"},
		"revoke":     {"POST", "/revocations", `{"user":"grace","issued_before":"2026-01-02T03:04:05Z"}`, `"tokens of grace before 2026-01-02T03:04:05.000Z"`},
	} {
		t.Run(action, func(t *testing.T) {
			s := start(t)
			s.client = http.DefaultClient // not every action documents every error
			do := func(headers ...string) answer {
				return s.do(test.method, test.path, test.body, append(headers, "Authorization", "Bearer admin")...)
			}
			line := s.oneAudit(do("X-Request-Id", "ticket-1"))
			require.Contains(t, line, `level=INFO msg="action carried out" audit=true action=`+action+" outcome=done principal=user:root target="+test.target+" request_id=ticket-1 instance=")
			require.Contains(t, line, "address=127.0.0.1")

			s.operatorsFail(notify.Errorf(notify.ErrOutcomeUnknown, "late"))
			a := do()
			require.Equal(t, http.StatusServiceUnavailable, a.StatusCode)
			require.Contains(t, s.oneAudit(a), "action="+action+" outcome=unknown principal=user:root target="+test.target)
		})
	}
}

// The line of a refused request says whose data, or which topic or notification, was asked for.
func TestRefusalsNameTheTargetInThePath(t *testing.T) {
	for path, target := range map[string]string{
		"GET /users/bob/inbox": "bob", "GET /users/bob/removed": "bob", "GET /users/bob/preferences": "bob", "GET /users/bob/topics": "bob", "GET /users/bob/connections": "bob",
		"GET /users/bob/export": "bob", "DELETE /users/acme%3Abob%2F7": "acme:bob/7", "GET /topics/project.7/members": "project.7",
		"POST /topics/project.7/members": "project.7", "DELETE /notifications/" + id: id,
	} {
		s := start(t)
		s.client = http.DefaultClient
		method, path, _ := strings.Cut(path, " ")
		a := s.do(method, path, "", "Authorization", "Bearer grace")
		require.GreaterOrEqual(t, a.StatusCode, 400, path)
		require.Contains(t, s.oneAudit(a), "user=grace target="+target+" ", path)
	}
}

// operatorsFail has all actions of operators fail with err.
func (s *fakeService) operatorsFail(err error) {
	s.inbox.err, s.tickets.err, s.connections.err = err, err, err
}

func TestAJTIIsTheTargetOfItsRevocation(t *testing.T) {
	s := start(t)
	for body, want := range map[string]string{
		`{"jti":"j1"}`: `target="jti j1"`,
		`{"jti":"j1","issuer":"https://a.example"}`: `target="jti j1 of https://a.example"`,
	} {
		require.Contains(t, s.oneAudit(s.do("POST", "/revocations", body, "Authorization", "Bearer admin")), want)
	}
}

// A text that is no ID of a notification may be anything that was pasted by mistake.
func TestOnlyIDsAreTargetsOfARecall(t *testing.T) {
	s := start(t)
	s.inbox.err = notify.ErrNotFound
	a := s.do("DELETE", "/notifications/bhk_secret", "", "Authorization", "Bearer admin")
	require.Contains(t, s.oneAudit(a), "action=recall outcome=refused principal=user:root request_id=")
	require.NotContains(t, s.logs.String(), "bhk_secret")
}

// Each refused item of a batch has a line with its number.
func TestRefusedItemsOfABatchAreLogged(t *testing.T) {
	s := start(t)
	s.publisher.results = []service.Result{{Err: notify.ErrScope}, {Receipt: notify.Receipt{ID: id}}, {Err: notify.ErrInProgress}}
	a := s.do("POST", "/notify/batch", `{"notifications":[`+toAda+`,`+toAda+`,`+toAda+`]}`)
	lines := s.audits(a.Header.Get("X-Request-Id"))
	require.Len(t, lines, 2)
	require.Contains(t, lines[0], "principal=user:ada")
	require.Contains(t, lines[0], "item=0 problem=scope")
	require.Contains(t, lines[1], "item=2 problem=in-progress")
}

// A request that succeeds and changes nothing for an operator has no audit line.
func TestOrdinaryRequestsAreNotAudited(t *testing.T) {
	s := start(t)
	s.do("POST", "/notify", toAda)
	s.do("GET", "/users/ada/connections", "", "Authorization", "Bearer admin")
	require.NotContains(t, s.logs.String(), "audit")
}

// The admin listener and a node that waits log refusals too, and the address of the connection:
// a header about another address is not believed.
func TestRefusalsOfOtherListenersAreLogged(t *testing.T) {
	logs := &logtext.Log{}
	logger := slog.New(slog.NewTextHandler(logs, nil))
	h := httpapi.Admin(httpapi.AdminOptions{Logger: logger, Metrics: http.NotFoundHandler()})
	ask(h, "/cluster", own, "evil.example", "X-Request-Id", "r1", "X-Forwarded-For", "10.1.1.1")
	require.Contains(t, logs.String(), `audit=true action="GET /cluster" outcome=refused request_id=r1`)
	require.Contains(t, logs.String(), `address=192.0.2.1 problem=misdirected status=421 reason="misdirected: the host \"evil.example\"`)
	waiting := httpapi.Waiting("", func() error { return notify.Errorf(notify.ErrUnavailable, "it restores a checkpoint") }, logger)
	ask(waiting, "/inbox", own, own, "X-Request-Id", "r2")
	require.Contains(t, logs.String(), `action="GET other" outcome=refused request_id=r2`)
	require.Contains(t, logs.String(), "it restores a checkpoint")
	require.Equal(t, 2, strings.Count(logs.String(), "\n"))
}

// A fault of the service has one line too, with the stack of a panic, and its outcome is not
// that of a refusal.
func TestFaultsOfTheServiceAreLoggedOnce(t *testing.T) {
	s := start(t, func(o *httpapi.Options) {
		o.Alive = func() error { panic("a bug") }
	})
	s.client = http.DefaultClient // which permits a 500
	line := s.oneAudit(s.do("GET", "/livez", ""))
	require.Contains(t, line, `level=ERROR msg="request failed" audit=true action="GET /livez" outcome=failed`)
	require.Contains(t, line, "a bug")
	require.Contains(t, line, "goroutine")
}
