package limit

import (
	"context"
	"testing"
)

// A key that gave up waiting leaves nothing behind, also while all slots are taken.
func TestNothingIsLeftOfKeysThatGiveUp(t *testing.T) {
	s := NewSlots(1, 0)
	if err := s.Acquire(t.Context(), "holder"); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for range 100 {
		if err := s.Acquire(ended, "a"); err == nil {
			t.Fatal("there are more slots than one")
		}
	}
	if len(s.turn) > 0 || len(s.byKey) != 1 {
		t.Errorf("%d keys are known, %d wait for their turn", len(s.byKey), len(s.turn))
	}
	s.Release("holder")
	if len(s.byKey) > 0 || s.taken != 0 {
		t.Errorf("%d keys are known, %d slots are taken", len(s.byKey), s.taken)
	}
}
