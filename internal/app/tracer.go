package app

import (
	"context"
	"time"

	"github.com/bellhop/bellhop/internal/httpapi"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/telemetry"
)

// tracer is a telemetry.Tracer, which serves the API and the service.
type tracer interface {
	httpapi.Tracer
	service.Tracer
	Close(ctx context.Context) error
}

// closeTracerTimeout bounds the wait for the collector when the service stops.
const closeTracerTimeout = 2 * time.Second

// openTracer opens the tracer if the settings name a collector.
func (s *node) openTracer(ctx context.Context) error {
	if s.cfg.TracesURL == "" {
		return nil
	}
	t, err := telemetry.NewTracer(ctx, telemetry.TraceOptions{
		URL: s.cfg.TracesURL, Every: s.cfg.TracesEvery, Node: s.nodeName(), Build: telemetry.ReadBuild(), Logger: s.logger,
	})
	if err != nil {
		return err
	}
	s.tracer = t
	return nil
}

// closeTracer sends the last spans. If the collector does not take them in time, they are lost.
func (s *node) closeTracer() {
	if s.tracer == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTracerTimeout)
	defer cancel()
	if err := s.tracer.Close(ctx); err != nil {
		s.logger.Warn("the last traces were not sent", "error", err)
	}
}
