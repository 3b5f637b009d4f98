package limit

import (
	"context"
	"slices"
	"sync"
)

// Slots limits concurrency, in total and for each key, such as the name of a principal. A
// slot may be anything that is counted, such as one byte of memory. Keys with waiting
// requests are served in turn: many requests of one key delay another key by one request.
// Its memory grows only with the keys that hold or wait for slots.
type Slots struct {
	most, each int64

	mu    sync.Mutex
	taken int64
	byKey map[string]*slots
	turn  []*slots // keys whose next request is within the limit of the key, in their order
}

// slots are the slots that a key holds and its waiting requests.
type slots struct {
	held    int64
	waiting []request
	inTurn  bool
}

// request is a waiting call of AcquireN.
type request struct {
	n       int64
	granted chan struct{} // closed when the slots are granted
}

// NewSlots returns slots of which there are most in total and each for a key. 0 is no limit.
func NewSlots(most, each int64) *Slots {
	return &Slots{most: most, each: each, byKey: make(map[string]*slots)}
}

// Acquire waits for a slot for key, which the caller returns with Release. If ctx ends first,
// it returns the error of ctx.
func (s *Slots) Acquire(ctx context.Context, key string) error { return s.AcquireN(ctx, key, 1) }

// AcquireN waits for n slots for key, which the caller returns with ReleaseN. If ctx ends
// first, it returns the error of ctx. n must not exceed the limits.
func (s *Slots) AcquireN(ctx context.Context, key string, n int64) error {
	granted := s.ask(key, n)
	select {
	case <-granted:
		return nil
	case <-ctx.Done():
	}
	s.withdraw(key, n, granted)
	return ctx.Err()
}

// ask adds a request for n slots, and returns a channel that is closed when it is granted.
func (s *Slots) ask(key string, n int64) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.byKey[key]
	if k == nil {
		k = new(slots)
		s.byKey[key] = k
	}
	granted := make(chan struct{})
	k.waiting = append(k.waiting, request{n, granted})
	s.queueLocked(k)
	s.grantLocked()
	return granted
}

// withdraw removes a request, or returns its slots if it has been granted meanwhile.
func (s *Slots) withdraw(key string, n int64, granted chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.byKey[key]
	i := slices.IndexFunc(k.waiting, func(r request) bool { return r.granted == granted })
	if i < 0 {
		s.releaseLocked(key, k, n)
		return
	}
	k.waiting = slices.Delete(k.waiting, i, i+1)
	if k.inTurn && !s.mayTakeLocked(k) {
		k.inTurn = false
		s.turn = slices.DeleteFunc(s.turn, func(other *slots) bool { return other == k })
	}
	s.queueLocked(k) // the next one may need fewer slots
	s.grantLocked()
	s.forgetLocked(key, k)
}

// Release returns one slot of key.
func (s *Slots) Release(key string) { s.ReleaseN(key, 1) }

// ReleaseN returns n slots of key.
func (s *Slots) ReleaseN(key string, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.releaseLocked(key, s.byKey[key], n)
}

func (s *Slots) releaseLocked(key string, k *slots, n int64) {
	k.held -= n
	s.taken -= n
	s.queueLocked(k)
	s.grantLocked()
	s.forgetLocked(key, k)
}

// mayTakeLocked reports whether k has a waiting request that is within the limit of a key.
func (s *Slots) mayTakeLocked(k *slots) bool {
	return len(k.waiting) > 0 && (s.each == 0 || k.held+k.waiting[0].n <= s.each)
}

// queueLocked adds k to the end of turn, unless it is there or may not take a turn.
func (s *Slots) queueLocked(k *slots) {
	if !k.inTurn && s.mayTakeLocked(k) {
		k.inTurn = true
		s.turn = append(s.turn, k)
	}
}

// grantLocked grants free slots to the keys in turn, each its first request. If there are
// too few for the next key, the keys behind it wait too: otherwise small requests could
// delay a large one forever.
func (s *Slots) grantLocked() {
	for len(s.turn) > 0 {
		k := s.turn[0]
		r := k.waiting[0]
		if s.most > 0 && s.taken+r.n > s.most {
			return
		}
		s.turn[0], s.turn = nil, s.turn[1:]
		k.inTurn = false
		k.waiting = slices.Delete(k.waiting, 0, 1)
		k.held += r.n
		s.taken += r.n
		close(r.granted)
		s.queueLocked(k)
	}
}

// forgetLocked removes a key that holds no slots and has no waiting requests.
func (s *Slots) forgetLocked(key string, k *slots) {
	if k.held == 0 && len(k.waiting) == 0 {
		delete(s.byKey, key)
	}
}
