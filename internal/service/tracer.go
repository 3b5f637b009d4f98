package service

import (
	"context"

	"github.com/bellhop/bellhop/internal/notify"
)

// Tracer records spans: of publishing on this node, and of the delivery on every node.
type Tracer interface {
	// Publish begins the span of publishing a number of notifications, in the trace of ctx if that has
	// one. The result is nil if the trace is not recorded. end is called once, with the outcome.
	Publish(ctx context.Context, notifications int) (of *notify.Trace, end func(error))

	// Deliver begins the span of delivering a notification, whose trace is recorded, to the connections
	// of this node. end is called once.
	Deliver(n *notify.Notification) (end func())
}

// tracePublish is Tracer.Publish, if there is a Tracer.
func (s *Service) tracePublish(ctx context.Context, notifications int) (of *notify.Trace, end func(error)) {
	if s.opts.Tracer == nil {
		return nil, func(error) {}
	}
	return s.opts.Tracer.Publish(ctx, notifications)
}

// traceDelivery is Tracer.Deliver, if n has a recorded trace and there is a Tracer.
func (s *Service) traceDelivery(n *notify.Notification) (end func()) {
	if s.opts.Tracer == nil || n.Trace == nil {
		return func() {}
	}
	return s.opts.Tracer.Deliver(n)
}
