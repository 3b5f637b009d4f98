package telemetry_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/telemetry"
)

// Without a traceparent, one of Every traces is recorded, at random.
func TestOneOfEveryTracesIsRecorded(t *testing.T) {
	received := newCollector(t)
	for every, want := range map[int]struct{ least, most int }{
		1:             {4000, 4000},
		4:             {800, 1200}, // seven standard deviations around 1000
		1_000_000_000: {0, 0},
	} {
		tracer := newTracer(t, received.url, every, slog.DiscardHandler)
		recorded := 0
		for range 4000 {
			of, end := tracer.Publish(t.Context(), 1)
			end(nil)
			if of != nil {
				recorded++
			}
		}
		assert.GreaterOrEqual(t, recorded, want.least, "one of %d", every)
		assert.LessOrEqual(t, recorded, want.most, "one of %d", every)
	}
}

// A collector that fails is logged once, and once more when it works again; the spans in between are lost,
// and the later ones are not.
func TestACollectorThatFailsAndReturnsIsLogged(t *testing.T) {
	received := newCollector(t)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "1") // milliseconds
	lines := make(messages, 10)
	tracer := newTracer(t, received.url, 1, lines)
	publish := func() {
		_, end := tracer.Publish(t.Context(), 1)
		end(nil)
	}

	received.status.Store(http.StatusInternalServerError)
	publish()
	require.Equal(t, "WARN traces cannot be sent to the collector; they are dropped until it works again", <-lines)
	for failed := received.requests.Load(); received.requests.Load() == failed; {
		publish() // which is refused too, and not logged
	}
	received.status.Store(http.StatusOK)
	publish()
	require.Equal(t, "INFO traces are sent to the collector again", <-lines)
	require.NoError(t, tracer.Close(t.Context()))
	require.Empty(t, lines)
}

// collector answers requests with status.
type collector struct {
	url      string
	status   atomic.Int64
	requests atomic.Int64
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	c.status.Store(http.StatusOK)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(int(c.status.Load()))
		c.requests.Add(1)
	}))
	t.Cleanup(srv.Close)
	c.url = srv.URL
	return c
}

func newTracer(t *testing.T, url string, every int, log slog.Handler) *telemetry.Tracer {
	t.Helper()
	tracer, err := telemetry.NewTracer(t.Context(), telemetry.TraceOptions{URL: url, Every: every, Logger: slog.New(log)})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, tracer.Close(context.Background())) })
	return tracer
}

// messages receives the level and the message of each line.
type messages chan string

func (m messages) Enabled(context.Context, slog.Level) bool { return true }
func (m messages) WithAttrs([]slog.Attr) slog.Handler       { return m }
func (m messages) WithGroup(string) slog.Handler            { return m }

func (m messages) Handle(_ context.Context, r slog.Record) error {
	m <- r.Level.String() + " " + r.Message
	return nil
}
