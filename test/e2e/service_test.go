// Package e2e tests the features of the service over HTTP and WebSockets, with a
// client library that the service does not use itself. Every request and
// response is validated against openapi.yaml, and every frame against
// asyncapi.yaml.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/app"
	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/contract"
)

const secret = "an e2e secret of 32 bytes or more"

// timeout bounds the wait for an event that must happen. Only a failing test
// waits this long.
const timeout = 20 * time.Second

var loadDocument = sync.OnceValues(func() (*contract.Document, error) {
	return contract.Load("../../openapi.yaml")
})

var loadAsyncAPI = sync.OnceValues(func() (*contract.AsyncAPI, error) {
	return contract.LoadAsyncAPI("../../internal/webui/client/asyncapi.yaml")
})

// frames returns a validator of one connection's frames against asyncapi.yaml.
func frames(t *testing.T) *contract.Frames {
	t.Helper()
	document, err := loadAsyncAPI()
	require.NoError(t, err)
	return &contract.Frames{Document: document, TB: t}
}

// service is an instance of bellhop in the process of the test, on free ports: one node or
// several, see BELLHOP_E2E.
type service struct {
	t      *testing.T
	cfg    *config.Config
	public string // host:port of the node that the next request goes to
	admin  string
	client *http.Client

	nodes  []*instance
	turn   int  // index of that node
	pinned bool // it stays the same
	eager  bool // it may be behind the others

	stop func() error // drains the service and returns the result of Run
}

// instance is a node of a service.
type instance struct {
	cfg           *config.Config
	public, admin string
	end           context.CancelFunc
	ended         chan error
}

// start starts a service with the default settings, as modified by change.
func start(t *testing.T, change ...func(*config.Config)) *service {
	t.Helper()
	return startNodes(t, instances(t, settings(t, change...)))
}

// startAlone starts a node without a cluster.
func startAlone(t *testing.T, _ reason, change ...func(*config.Config)) *service {
	t.Helper()
	return startNodes(t, []*config.Config{settings(t, change...)})
}

func settings(t *testing.T, change ...func(*config.Config)) *config.Config {
	t.Helper()
	cfg := config.Default()
	cfg.Listen, cfg.AdminListen = "127.0.0.1:0", "127.0.0.1:0"
	cfg.DataDir = t.TempDir()
	cfg.DrainWindow = 0
	cfg.JWTSecret = []config.Secret{secret}
	for _, f := range change {
		f(cfg)
	}
	return cfg
}

// startNodes starts a service with the settings of its nodes.
func startNodes(t *testing.T, nodes []*config.Config) *service {
	t.Helper()
	cfg := nodes[0]
	s := &service{t: t, cfg: cfg}
	for _, each := range nodes {
		s.nodes = append(s.nodes, &instance{cfg: each})
	}
	document, err := loadDocument()
	require.NoError(t, err)
	s.client = &http.Client{Transport: &contract.Transport{
		Document: document, TB: t, BasePath: cfg.BasePath, Next: &http.Transport{},
	}}
	s.run()
	t.Cleanup(func() { require.NoError(t, s.stop()) })
	return s
}

// run starts app.Run for each node, and waits until all listen, and have checked the NATS servers of
// a cluster, without which no node is ready.
func (s *service) run() {
	s.t.Helper()
	for _, n := range s.nodes {
		n.run(s.t)
	}
	for _, n := range s.nodes {
		if len(n.cfg.NATSMonitor) > 0 {
			require.Eventually(s.t, func() bool { return strings.Contains(s.metricsOf(n.admin), `bellhop_nats_servers{state="synced"} 3`) }, timeout, 5*time.Millisecond)
		}
	}
	s.public, s.admin = s.nodes[s.turn].public, s.nodes[s.turn].admin
	stopped := false
	s.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		s.client.CloseIdleConnections()
		for _, n := range s.nodes {
			n.end()
		}
		var errs []error
		for _, n := range s.nodes {
			errs = append(errs, <-n.ended)
		}
		return errors.Join(errs...)
	}
}

func (n *instance) run(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	n.end = cancel
	listening := make(chan [2]net.Addr, 1)
	n.ended = make(chan error, 1)
	go func() {
		n.ended <- app.Run(ctx, n.cfg, app.Options{
			Listening: func(public, admin net.Addr) { listening <- [2]net.Addr{public, admin} },
		})
	}()
	select {
	case addrs := <-listening:
		n.public, n.admin = addrs[0].String(), addrs[1].String()
	case err := <-n.ended:
		t.Fatalf("the service did not start: %v", err)
	case <-time.After(3 * timeout): // a node of a cluster waits until it can follow the journal
		cancel()
		t.Fatalf("the service does not listen: %v", <-n.ended)
	}
}

// restart stops the service and starts it again on the same data.
func (s *service) restart() {
	s.t.Helper()
	require.NoError(s.t, s.stop())
	s.run()
}

func (s *service) url(path string) string {
	s.next()
	scheme := "http://"
	if s.cfg.TLSCertFile != "" {
		scheme = "https://"
	}
	return scheme + s.public + s.cfg.BasePath + path
}

// token signs a token for a user.
func token(t *testing.T, user string, scopes ...notify.Scope) string {
	t.Helper()
	return sign(t, auth.Claims{User: notify.UserID(user), Scopes: scopes, TTL: time.Hour})
}

func sign(t *testing.T, c auth.Claims) string {
	t.Helper()
	signed, err := auth.Sign([]byte(secret), c)
	require.NoError(t, err)
	return signed
}

// backend returns a token that may publish to every user and broadcast.
func backend(t *testing.T) string {
	return token(t, "backend", notify.ScopePublish, notify.ScopeBroadcast)
}

// response is an HTTP response whose body has been read.
type response struct {
	*http.Response
	body []byte
}

func (a response) json(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	require.NoError(t, json.Unmarshal(a.body, &v), "%s", a.body)
	return v
}

// problem returns the type of the problem document in a, without its prefix.
func (a response) problem(t *testing.T) string {
	t.Helper()
	require.Equal(t, "application/problem+json", a.Header.Get("Content-Type"))
	name, _ := a.json(t)["type"].(string)
	return strings.TrimPrefix(name, "urn:bellhop:problem:")
}

// do sends a request. Headers are given as name, value, name, value …
func (s *service) do(method, path, body string, headers ...string) response {
	s.t.Helper()
	return s.send(s.t.Context(), method, path, body, headers...)
}

func (s *service) send(ctx context.Context, method, path, body string, headers ...string) response {
	s.t.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(ctx, method, s.url(path), content)
	require.NoError(s.t, err)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := s.client.Do(r)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return response{resp, b}
}

// post publishes body as the backend.
func (s *service) post(path, body string, headers ...string) response {
	s.t.Helper()
	return s.postIn(s.t.Context(), path, body, headers...)
}

func (s *service) postIn(ctx context.Context, path, body string, headers ...string) response {
	s.t.Helper()
	return s.send(ctx, http.MethodPost, path, body, append(headers, "Authorization", "Bearer "+backend(s.t))...)
}

// publish publishes a notification with a title to users, or to all users if
// none are given, and returns its id.
func (s *service) publish(title string, users ...string) string {
	s.t.Helper()
	a := s.post("/notify", draft(s.t, title, users...))
	require.Equal(s.t, http.StatusAccepted, a.StatusCode, "%s", a.body)
	id, _ := a.json(s.t)["id"].(string)
	return id
}

// draft returns a request body for POST /notify.
func draft(t *testing.T, title string, users ...string) string {
	t.Helper()
	to := map[string]any{"all": true}
	if len(users) > 0 {
		to = map[string]any{"users": users}
	}
	b, err := json.Marshal(map[string]any{"to": to, "type": "test", "title": title})
	require.NoError(t, err)
	return string(bytes.TrimSpace(b))
}

// metrics returns the body of GET /metrics.
func (s *service) metrics() string {
	s.t.Helper()
	return s.metricsOf(s.admin)
}

func (s *service) metricsOf(admin string) string {
	s.t.Helper()
	resp, err := http.Get("http://" + admin + "/metrics")
	require.NoError(s.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(s.t, err)
	return string(b)
}
