package e2e

import (
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/bellhop/bellhop/internal/config"
)

// spans is a collector of traces.
type spans struct {
	t   *testing.T
	url string

	mu  sync.Mutex
	all []*otlp.Span
}

func newSpans(t *testing.T) *spans {
	t.Helper()
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "50") // milliseconds
	s := &spans{t: t}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var sent collector.ExportTraceServiceRequest
		if !assert.NoError(t, err) || !assert.Equal(t, "/v1/traces", r.URL.Path) || !assert.NoError(t, proto.Unmarshal(body, &sent)) {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, resource := range sent.GetResourceSpans() {
			for _, scope := range resource.GetScopeSpans() {
				s.all = append(s.all, scope.GetSpans()...)
			}
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(srv.Close)
	s.url = srv.URL
	return s
}

// ids returns the traces that have a span of this name.
func (s *spans) ids(name string) map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := map[string]bool{}
	for _, one := range s.all {
		if one.GetName() == name {
			ids[hex.EncodeToString(one.GetTraceId())] = true
		}
	}
	return ids
}

// of returns the spans of a trace by their names.
func (s *spans) of(trace string) map[string][]*otlp.Span {
	s.mu.Lock()
	defer s.mu.Unlock()
	named := map[string][]*otlp.Span{}
	for _, one := range s.all {
		if hex.EncodeToString(one.GetTraceId()) == trace {
			named[one.GetName()] = append(named[one.GetName()], one)
		}
	}
	return named
}

// A request that belongs to a recorded trace has a span, whose child is the span of publishing, whose
// children are the deliveries on all nodes: stored and ephemeral ones, and those of a batch.
func TestATraceGoesFromThePostToEachNode(t *testing.T) {
	collected := newSpans(t)
	s := start(t, func(c *config.Config) { c.TracesURL, c.TracesEvery = collected.url, 1_000_000_000 })
	const parent = "00f067aa0ba902b7"
	for i, call := range []struct {
		route, body string
		deliveries  int
	}{
		{"/notify", draft(t, "stored", "ada"), 1},
		{"/notify", `{"to":{"users":["ada"]},"type":"t","ephemeral":true}`, 1},
		{"/notify/batch", `{"notifications":[` + draft(t, "one", "ada") + `,` + draft(t, "two", "grace") + `]}`, 2},
	} {
		trace := "4bf92f3577b34da6a3ce929d0e0e473" + string(rune('a'+i))
		a := s.post(call.route, call.body, "Traceparent", "00-"+trace+"-"+parent+"-01")
		require.Less(t, a.StatusCode, http.StatusBadRequest, "%s", a.body)
		var named map[string][]*otlp.Span
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			named = collected.of(trace)
			assert.Len(c, named["deliver"], call.deliveries*len(s.nodes))
			assert.Len(c, named["publish"], 1)
			assert.Len(c, named["POST "+call.route], 1)
		}, timeout, 20*time.Millisecond)
		request, publish := named["POST "+call.route][0], named["publish"][0]
		assert.Equal(t, parent, hex.EncodeToString(request.GetParentSpanId()))
		assert.Equal(t, request.GetSpanId(), publish.GetParentSpanId())
		for _, delivery := range named["deliver"] {
			assert.Equal(t, publish.GetSpanId(), delivery.GetParentSpanId())
		}
	}

	const ignored = "4bf92f3577b34da6a3ce929d0e0e47ff"
	s.post("/notify", draft(t, "not recorded", "ada"), "Traceparent", "00-"+ignored+"-"+parent+"-00")
	require.NoError(t, s.stop()) // which sends the last spans
	assert.Empty(t, collected.of(ignored))
	for _, one := range collected.all {
		assert.NotContains(t, one.GetName(), "readyz")
	}
	s.run()
}

// A request without a traceparent is the beginning of a trace if it is one of those that are recorded.
func TestARequestWithoutATraceparentIsTraced(t *testing.T) {
	collected := newSpans(t)
	s := start(t, func(c *config.Config) { c.TracesURL, c.TracesEvery = collected.url, 1 })
	s.post("/notify", draft(t, "one", "ada"))
	s.post("/notify", draft(t, "two", "ada"))
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		traces := collected.ids("POST /notify")
		assert.Len(c, traces, 2)
		for trace := range traces {
			named := collected.of(trace)
			assert.Len(c, named["publish"], 1)
			assert.Len(c, named["deliver"], len(s.nodes))
		}
	}, timeout, 20*time.Millisecond)
	for trace := range collected.ids("POST /notify") {
		named := collected.of(trace)
		assert.Empty(t, named["POST /notify"][0].GetParentSpanId())
		assert.Equal(t, named["POST /notify"][0].GetSpanId(), named["publish"][0].GetParentSpanId())
	}
}

// The deliveries of a deferred notification belong to the trace of the request that published it, even if
// the service was restarted in between.
func TestADeferredNotificationKeepsItsTrace(t *testing.T) {
	collected := newSpans(t)
	s := start(t, func(c *config.Config) { c.TracesURL, c.TracesEvery = collected.url, 1_000_000_000 })
	const trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	at := time.Now().Add(2 * time.Second)
	a := s.post("/notify", `{"to":{"users":["ada"]},"type":"t","deliver_at":"`+at.UTC().Format(time.RFC3339Nano)+`"}`,
		"Traceparent", "00-"+trace+"-"+parent+"-01")
	require.Equal(t, http.StatusAccepted, a.StatusCode, "%s", a.body)
	s.restart() // which sends the spans
	named := collected.of(trace)
	require.Len(t, named["publish"], 1)
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		assert.Len(c, collected.of(trace)["deliver"], len(s.nodes))
	}, timeout, 20*time.Millisecond)
	for _, delivery := range collected.of(trace)["deliver"] {
		assert.Equal(t, named["publish"][0].GetSpanId(), delivery.GetParentSpanId())
		assert.GreaterOrEqual(t, delivery.GetStartTimeUnixNano(), uint64(at.Truncate(time.Millisecond).UnixNano()))
	}
}
