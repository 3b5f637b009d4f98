package limit

import (
	"context"
	"slices"
	"sync"
)

// Slots limits how much is done at a time, in all and for each key, such as a
// principal's name. Keys that wait are served in turn: one key with many waiters
// delays another by one of them, not by all. A slot may stand for anything that is
// counted, such as a byte of memory.
type Slots struct {
	most, each int64

	mu    sync.Mutex
	taken int64
	byKey map[string]*slots
	turn  []*slots // keys that may take what they wait for, the next one first
}

// slots is what a key has and waits for.
type slots struct {
	held    int64
	waiting []request
	inTurn  bool
}

// request is a call of AcquireN that waits.
type request struct {
	n       int64
	granted chan struct{} // closed when the slots are granted
}

// NewSlots returns slots, most in all, and for a key as many as each says; 0: any
// number.
func NewSlots(most, each int64) *Slots {
	return &Slots{most: most, each: each, byKey: make(map[string]*slots)}
}

// Acquire waits for a slot of key, for Release to give back, and returns the error
// of ctx if that ends first.
func (s *Slots) Acquire(ctx context.Context, key string) error { return s.AcquireN(ctx, key, 1) }

// AcquireN waits for n slots of key, for ReleaseN to give back, and returns the error
// of ctx if that ends first. n must not be more than one key may have.
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

// ask returns a channel that is closed once key has n slots more.
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

// withdraw takes back what was asked for, or gives back what was granted
// meanwhile.
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

// Release gives a slot of key back.
func (s *Slots) Release(key string) { s.ReleaseN(key, 1) }

// ReleaseN gives n slots of key back.
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

// mayTakeLocked reports whether k waits and may have what it waits for, as soon as
// that is free.
func (s *Slots) mayTakeLocked(k *slots) bool {
	return len(k.waiting) > 0 && (s.each == 0 || k.held+k.waiting[0].n <= s.each)
}

// queueLocked puts k behind the keys that wait for their turn, if it is to have one.
func (s *Slots) queueLocked(k *slots) {
	if !k.inTurn && s.mayTakeLocked(k) {
		k.inTurn = true
		s.turn = append(s.turn, k)
	}
}

// grantLocked grants what is free to the keys in turn, each its first request. If
// there is too little for the next key, the others wait behind it, so that a large
// request is granted in the end.
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

func (s *Slots) forgetLocked(key string, k *slots) {
	if k.held == 0 && len(k.waiting) == 0 {
		delete(s.byKey, key)
	}
}
