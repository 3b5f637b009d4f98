package httpapi_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/httpapi"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/problem"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/store"
	"github.com/bellhop/bellhop/internal/wire"
	"github.com/bellhop/bellhop/test/contract"
	"github.com/bellhop/bellhop/test/logtext"
)

const (
	id       = "0193a5e8-7f6b-7c3d-9a41-5f0e2b8d6c10"
	toAda    = `{"to":{"users":["ada"]},"type":"t"}`
	page     = "https://app.example.com"
	stranger = "https://evil.example"
)

// tokens is a Verifier with the principals of valid tokens and the errors of others.
type tokens map[string]any

func (v tokens) Verify(_ context.Context, token string) (notify.Principal, error) {
	switch found := v[token].(type) {
	case notify.Principal:
		return found, nil
	case error:
		return notify.Principal{}, found
	}
	return notify.Principal{}, notify.Errorf(notify.ErrTokenInvalid, "no such token")
}

// CheckWebhook refuses the ID "none".
func (v tokens) CheckWebhook(h http.Header) error {
	if h.Get("webhook-id") == "none" {
		return notify.Errorf(notify.ErrTokenInvalid, "no webhook is accepted here")
	}
	return nil
}

// VerifyWebhook accepts the ID "good".
func (v tokens) VerifyWebhook(h http.Header, body []byte) (notify.Principal, string, error) {
	if h.Get("webhook-id") != "good" {
		return notify.Principal{}, "", notify.Errorf(notify.ErrTokenInvalid, "no such signature")
	}
	return notify.Principal{Name: "webhook:shop", Scopes: []notify.Scope{notify.ScopePublish}}, "good", nil
}

// tickets issues one ticket, and keeps the revocations that it receives.
type tickets struct {
	err error

	mu      sync.Mutex
	revoked []notify.Revocation
}

const ticket = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ" // 43 characters

func (d *tickets) IssueTicket(_ context.Context, by notify.Principal) (string, error) {
	if by.User == "" {
		return "", notify.Errorf(notify.ErrScope, "a ticket is for a user")
	}
	return ticket, d.err
}

func (d *tickets) RedeemTicket(_ context.Context, shown string) (notify.Principal, error) {
	if shown != ticket {
		return notify.Principal{}, notify.Errorf(notify.ErrTokenInvalid, "no such ticket")
	}
	return notify.Principal{User: "grace", Name: "user:grace"}, d.err
}

func (d *tickets) Revoke(_ context.Context, by notify.Principal, r notify.Revocation) error {
	if err := isOperator(by); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.revoked = append(d.revoked, r)
	return d.err
}

// isOperator fails unless by is the principal of an operator's token.
func isOperator(by notify.Principal) error { return by.May(notify.ScopeAdmin) }

// connections shows the connections of users to operators, and keeps the users whose
// connections it was asked to end.
type connections struct {
	hub *hub.Hub // admits connections

	mu    sync.Mutex
	open  map[notify.UserID][]notify.Connection
	ended []notify.UserID

	incomplete []string
	err        error // of Disconnect
}

func (l *connections) Admit(from netip.Addr) (*hub.Slot, error) { return l.hub.Admit(from) }

func (l *connections) Connections(_ context.Context, by notify.Principal, u notify.UserID) (notify.Connections, error) {
	if err := isOperator(by); err != nil {
		return notify.Connections{}, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return notify.Connections{Open: l.open[u], Incomplete: l.incomplete}, nil
}

func (l *connections) Disconnect(_ context.Context, by notify.Principal, u notify.UserID) error {
	if err := isOperator(by); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = append(l.ended, u)
	return l.err
}

// erasures keep the users that were erased, and have the pages of each export.
type erasures struct {
	mu     sync.Mutex
	erased []notify.UserID
	pages  map[string]store.ExportPage
	fails  error
}

func (x *erasures) Erase(_ context.Context, by notify.Principal, u notify.UserID) error {
	if err := isOperator(by); err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.erased = append(x.erased, u)
	return x.fails
}

func (x *erasures) Export(_ context.Context, by notify.Principal, _ notify.UserID, from string) (store.ExportPage, error) {
	if err := isOperator(by); err != nil {
		return store.ExportPage{}, err
	}
	page, ok := x.pages[from]
	if !ok {
		return page, x.fails
	}
	return page, nil
}

type origins []string

func (o origins) Allows(origin string) bool { return slices.Contains(o, origin) }

// publisher gives every publish the same answer and keeps the requests.
type publisher struct {
	receipt notify.Receipt
	err     error
	results []service.Result
	wait    bool // until the context ends, for its error

	mu    sync.Mutex
	by    notify.Principal
	calls []service.Call
	items []wire.BatchItem
}

func (p *publisher) Publish(ctx context.Context, by notify.Principal, call service.Call, d notify.Draft) (notify.Receipt, error) {
	p.note(by, call, wire.BatchItem{Draft: d})
	if p.wait {
		<-ctx.Done()
		return notify.Receipt{}, notify.Errorf(notify.ErrOutcomeUnknown, "late")
	}
	return p.receipt, p.err
}

func (p *publisher) PublishBatch(ctx context.Context, by notify.Principal, call service.Call, items []wire.BatchItem) []service.Result {
	p.note(by, call, items...)
	if p.wait {
		<-ctx.Done()
		return []service.Result{{Err: notify.Errorf(notify.ErrOutcomeUnknown, "late")}}
	}
	return p.results
}

func (p *publisher) note(by notify.Principal, call service.Call, items ...wire.BatchItem) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.by, p.calls, p.items = by, append(p.calls, call), append(p.items, items...)
}

// metrics keeps its observations.
type metrics struct {
	mu   sync.Mutex
	seen []observation
}

type observation struct {
	route  string
	status int
}

func (m *metrics) Refused(string, string, notify.Cause) {}

func (m *metrics) RequestDone(route string, status int, _ float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen = append(m.seen, observation{route, status})
}

func (m *metrics) all() []observation {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.seen)
}

// fakeService is an API on fakes, and a client that checks all answers against
// openapi.yaml.
type fakeService struct {
	t   *testing.T
	url string

	client  *http.Client
	metrics *metrics
	logs    *logtext.Log
	backend
}

// backend is a Service of fakes.
type backend struct {
	*publisher
	*erasures
	*inbox
	*tickets
	*connections
	*memberships
	*preferences
}

// options returns options without failures.
func (s *fakeService) options() httpapi.Options {
	return httpapi.Options{
		Verifier: tokens{
			"good":    notify.Principal{User: "ada", Name: "user:ada", Scopes: []notify.Scope{notify.ScopePublish}},
			"admin":   notify.Principal{User: "root", Name: "user:root", Scopes: []notify.Scope{notify.ScopeAdmin}},
			"admin2":  notify.Principal{User: "root2", Name: "user:root2", Scopes: []notify.Scope{notify.ScopeAdmin}},
			"manager": notify.Principal{Name: "key:manager", Scopes: []notify.Scope{notify.ScopeTopics}},
			"grace":   notify.Principal{User: "grace", Name: "user:grace"},
			"bhk_key": notify.Principal{Name: "key:shop", Scopes: []notify.Scope{notify.ScopePublish}},
			"expired": notify.Errorf(notify.ErrTokenExpired, "it expired"),
			"revoked": notify.Errorf(notify.ErrTokenRevoked, "it was revoked"),
			"nokeys":  notify.Errorf(notify.ErrUnavailable, "the keys cannot be fetched"),
		},
		Service:   s.backend,
		Origins:   origins{page},
		Admitter:  s.connections,
		WebSocket: http.HandlerFunc(accept),
		Events:    http.HandlerFunc(events),
		Alive:     func() error { return nil },
		Ready:     func() error { return nil },
		Metrics:   s.metrics,
		Logger:    slog.New(slog.NewTextHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// document is read once, because that takes longer than most tests.
var document = sync.OnceValues(func() (*contract.Document, error) {
	return contract.Load("../../openapi.yaml")
})

func newFakeService(t *testing.T) *fakeService {
	return &fakeService{
		t: t, metrics: &metrics{}, logs: &logtext.Log{},
		backend: backend{
			&publisher{receipt: notify.Receipt{ID: id, Recipients: 1}},
			&erasures{},
			&inbox{},
			&tickets{},
			&connections{hub: hub.New(hub.Options{})},
			new(memberships),
			new(preferences),
		},
	}
}

func start(t *testing.T, change ...func(*httpapi.Options)) *fakeService {
	t.Helper()
	doc, err := document()
	require.NoError(t, err)
	s := newFakeService(t)
	o := s.options()
	for _, f := range change {
		f(&o)
	}
	server := httptest.NewServer(httpapi.NewAPI(o).Public())
	t.Cleanup(server.Close)
	s.url = server.URL + o.BasePath
	s.client = &http.Client{Transport: &contract.Transport{
		Document:     doc,
		TB:           t,
		Next:         server.Client().Transport,
		BasePath:     o.BasePath,
		Undocumented: func(path string) bool { return o.Pages[path] != nil || strings.HasPrefix(path, "/demo/") },
	}}
	return s
}

// drain has the hub admit no more connections.
func (s *fakeService) drain() { s.connections.hub.Drain(s.t.Context(), 0) }

// answer is an answer whose body was read.
type answer struct {
	*http.Response
	body []byte
}

func (s *fakeService) do(method, path, body string, headers ...string) answer {
	s.t.Helper()
	return s.doContext(s.t.Context(), method, path, body, headers...)
}

// doContext sends a request with headers, name after value. The method POST
// brings a good token and a Content-Type, unless headers say otherwise: an
// empty value takes one away.
func (s *fakeService) doContext(ctx context.Context, method, path, body string, headers ...string) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(body))
	require.NoError(s.t, err)
	if method == http.MethodPost {
		r.Header.Set("Authorization", "Bearer good")
		r.Header.Set("Content-Type", "application/json")
	}
	named := map[string]bool{}
	for i := 0; i < len(headers); i += 2 {
		if !named[headers[i]] {
			r.Header.Del(headers[i])
			named[headers[i]] = true
		}
		if headers[i+1] != "" {
			r.Header.Add(headers[i], headers[i+1])
		}
	}
	resp, err := s.client.Do(r)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	require.Equal(s.t, "nosniff", resp.Header.Get("X-Content-Type-Options"), "of every answer")
	got, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return answer{resp, got}
}

// problem returns the answer's problem, whose name must be name.
func (s *fakeService) problem(a answer, status int, name string) problem.Details {
	s.t.Helper()
	require.Equal(s.t, status, a.StatusCode, "%s", a.body)
	require.Equal(s.t, "application/problem+json", a.Header.Get("Content-Type"))
	var p problem.Details
	require.NoError(s.t, json.Unmarshal(a.body, &p))
	require.Equal(s.t, "urn:bellhop:problem:"+name, p.Type)
	require.Equal(s.t, status, p.Status)
	require.Equal(s.t, "urn:uuid:"+a.Header.Get("X-Request-Id"), p.Instance)
	return p
}
