package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/bellhop/bellhop/internal/notify"
)

// TraceOptions configure a Tracer.
type TraceOptions struct {
	URL    string // of an OTLP collector, such as http://127.0.0.1:4318; /v1/traces is appended
	Every  int    // one of so many requests is recorded, unless the caller's traceparent decides
	Node   string // the name of this node; empty: it has none
	Build  Build
	Logger *slog.Logger
}

// Tracer records spans by the conventions of OpenTelemetry, and sends them to a collector with
// OTLP over HTTP. Recording never waits for the collector: if it is too slow, spans are
// dropped. The environment variables of OpenTelemetry for the exporter and for the resource,
// such as OTEL_EXPORTER_OTLP_HEADERS, are respected.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	parents  propagation.TraceContext
}

// NewTracer returns a Tracer. It does not wait for the collector. Close must be called.
func NewTracer(ctx context.Context, o TraceOptions) (*Tracer, error) {
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(o.URL+"/v1/traces"))
	if err != nil {
		return nil, fmt.Errorf("open the exporter of traces: %w", err)
	}
	attributes := []attribute.KeyValue{
		attribute.String("service.name", "bellhop"), attribute.String("service.version", o.Build.Version),
	}
	if o.Node != "" {
		attributes = append(attributes, attribute.String("service.instance.id", o.Node))
	}
	about, err := resource.New(ctx, resource.WithAttributes(attributes...), resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil {
		return nil, fmt.Errorf("describe this node for traces: %w", err)
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(1/float64(max(1, o.Every))))),
		sdktrace.WithResource(about),
		sdktrace.WithBatcher(&loggedExporter{SpanExporter: exporter, log: o.Logger}),
	)
	return &Tracer{provider: provider, tracer: provider.Tracer("github.com/bellhop/bellhop")}, nil
}

// Close sends the spans that have ended, until ctx ends.
func (t *Tracer) Close(ctx context.Context) error {
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("send the last traces: %w", err)
	}
	return nil
}

// Request begins the span of an HTTP request, whose traceparent is its parent. The context of
// the returned request has the span; end takes the status of the answer.
func (t *Tracer) Request(r *http.Request, method, route string) (traced *http.Request, end func(status int)) {
	ctx := t.parents.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, span := t.tracer.Start(ctx, method+" "+route, trace.WithSpanKind(trace.SpanKindServer))
	if !span.IsRecording() {
		return r.WithContext(ctx), func(int) {}
	}
	span.SetAttributes(attribute.String("http.request.method", method), attribute.String("http.route", route))
	return r.WithContext(ctx), func(status int) {
		span.SetAttributes(attribute.Int("http.response.status_code", status))
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// Within returns ctx with the span of r.
func (t *Tracer) Within(ctx context.Context, r *http.Request) context.Context {
	return trace.ContextWithSpan(ctx, trace.SpanFromContext(r.Context()))
}

// Publish begins the span of publishing a number of notifications, in the trace of ctx or in a
// new one: until they are durable and applied, or refused. The trace is nil if it is not recorded.
func (t *Tracer) Publish(ctx context.Context, notifications int) (of *notify.Trace, end func(error)) {
	_, span := t.tracer.Start(ctx, "publish", trace.WithSpanKind(trace.SpanKindProducer))
	if !span.IsRecording() {
		return nil, func(error) {}
	}
	span.SetAttributes(attribute.Int("bellhop.notifications", notifications))
	is := span.SpanContext()
	return &notify.Trace{ID: is.TraceID(), Span: is.SpanID()}, func(err error) {
		if err != nil {
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
}

// Deliver begins the span of delivering a notification to the connections of this node. The trace
// of n must not be nil.
func (t *Tracer) Deliver(n *notify.Notification) (end func()) {
	parent := trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: n.Trace.ID, SpanID: n.Trace.Span, TraceFlags: trace.FlagsSampled, Remote: true,
	})
	_, span := t.tracer.Start(trace.ContextWithRemoteSpanContext(context.Background(), parent), "deliver", trace.WithSpanKind(trace.SpanKindConsumer))
	span.SetAttributes(
		attribute.String("bellhop.notification", n.ID()), attribute.String("bellhop.audience", string(n.Audience)),
		attribute.Int64("bellhop.sequence", int64(n.Sequence)), //nolint:gosec // at most 2^63-1
	)
	return func() { span.End() }
}

// loggedExporter logs when the collector begins to fail, and when it works again. OpenTelemetry would
// write each failure to standard error.
type loggedExporter struct {
	sdktrace.SpanExporter
	log     *slog.Logger
	failing atomic.Bool
}

// ExportSpans implements sdktrace.SpanExporter. It returns no error.
func (e *loggedExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	switch {
	case err != nil && !e.failing.Swap(true):
		e.log.Warn("traces cannot be sent to the collector; they are dropped until it works again", "error", err)
	case err == nil && e.failing.Swap(false):
		e.log.Info("traces are sent to the collector again")
	}
	return nil
}
