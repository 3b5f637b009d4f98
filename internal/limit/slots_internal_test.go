package limit

import (
	"context"
	"testing"
	"testing/synctest"
)

// A key whose requests were withdrawn takes no memory, also while all slots are taken and
// another key waits before it.
func TestKeysWithCancelledRequestsAreRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewSlots(3, 2)
		for _, key := range []string{"busy", "busy", "other"} {
			if err := s.Acquire(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
		first := make(chan error, 1)
		go func() { first <- s.AcquireN(t.Context(), "first", 2) }()
		synctest.Wait()
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for range 100 {
			if s.Acquire(ended, "a") == nil || s.AcquireN(ended, "busy", 2) == nil {
				t.Fatal("more than three slots were granted")
			}
		}
		if len(s.turn) != 1 || len(s.byKey) != 3 {
			t.Errorf("%d keys are in memory, %d wait for their turn", len(s.byKey), len(s.turn))
		}
		s.ReleaseN("busy", 2)
		if err := <-first; err != nil {
			t.Fatal(err)
		}
		s.ReleaseN("first", 2)
		s.Release("other")
		if len(s.byKey) > 0 || len(s.turn) > 0 || s.taken != 0 {
			t.Errorf("%d keys are in memory, %d slots are taken", len(s.byKey), s.taken)
		}
	})
}
