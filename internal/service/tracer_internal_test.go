package service

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/bellhop/bellhop/internal/notify"
)

// Without a Tracer, neither a publish nor a delivery allocates anything for a trace: the latter not even for a
// notification whose trace another node has recorded. With one, a notification without a trace costs nothing.
func TestTracesThatAreOffAllocateNothing(t *testing.T) {
	failed := errors.New("failed")
	recorded, unrecorded := &notify.Notification{Trace: &notify.Trace{}}, &notify.Notification{}
	s := &Service{}
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		of, end := s.tracePublish(t.Context(), 1)
		if of != nil {
			t.Error("a trace")
		}
		end(failed)
		s.traceDelivery(recorded)()
		s.traceDelivery(unrecorded)()
	}))

	s.opts.Tracer = unreachable{t}
	assert.Zero(t, testing.AllocsPerRun(1000, func() { s.traceDelivery(unrecorded)() }))
}

// unreachable is a Tracer that must not be called.
type unreachable struct{ t *testing.T }

func (u unreachable) Publish(context.Context, int) (of *notify.Trace, end func(error)) {
	u.t.Error("a span of publishing")
	return nil, func(error) {}
}

func (u unreachable) Deliver(*notify.Notification) (end func()) {
	u.t.Error("a span of a delivery")
	return func() {}
}
