package limit

import (
	"context"
	"slices"
	"sync"
)

// Slots limits how much is done at a time, in all and for each key, such as a
// principal's name. Keys that wait are served in turn: one key with many waiters
// delays another by one of them, not by all.
type Slots struct {
	most, each int

	mu    sync.Mutex
	taken int
	byKey map[string]*slots
	turn  []*slots // keys that wait and have less than each, the next one first
}

// slots is what a key has and waits for.
type slots struct {
	held    int
	waiting []chan struct{} // one is closed when its slot is granted
	inTurn  bool
}

// NewSlots returns slots, most in all, and for a key as many as each says; 0: any
// number.
func NewSlots(most, each int) *Slots {
	return &Slots{most: most, each: each, byKey: make(map[string]*slots)}
}

// Acquire waits for a slot of key, for Release to give back, and returns the error
// of ctx if that ends first.
func (s *Slots) Acquire(ctx context.Context, key string) error {
	granted := s.ask(key)
	select {
	case <-granted:
		return nil
	case <-ctx.Done():
	}
	s.withdraw(key, granted)
	return ctx.Err()
}

// ask returns a channel that is closed once key has one slot more.
func (s *Slots) ask(key string) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.byKey[key]
	if k == nil {
		k = new(slots)
		s.byKey[key] = k
	}
	granted := make(chan struct{})
	k.waiting = append(k.waiting, granted)
	s.queueLocked(k)
	s.grantLocked()
	return granted
}

// withdraw takes back what was asked for, or gives back what was granted
// meanwhile.
func (s *Slots) withdraw(key string, granted chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.byKey[key]
	i := slices.Index(k.waiting, granted)
	if i < 0 {
		s.releaseLocked(key, k)
		return
	}
	k.waiting = slices.Delete(k.waiting, i, i+1)
	if len(k.waiting) == 0 && k.inTurn {
		k.inTurn = false
		s.turn = slices.DeleteFunc(s.turn, func(other *slots) bool { return other == k })
	}
	s.forgetLocked(key, k)
}

// Release gives a slot of key back.
func (s *Slots) Release(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.releaseLocked(key, s.byKey[key])
}

func (s *Slots) releaseLocked(key string, k *slots) {
	k.held--
	s.taken--
	s.queueLocked(k)
	s.grantLocked()
	s.forgetLocked(key, k)
}

// queueLocked puts k behind the keys that wait for their turn, if it waits and may
// have more.
func (s *Slots) queueLocked(k *slots) {
	if len(k.waiting) > 0 && !k.inTurn && (s.each == 0 || k.held < s.each) {
		k.inTurn = true
		s.turn = append(s.turn, k)
	}
}

// grantLocked grants what is free, one to each key in turn.
func (s *Slots) grantLocked() {
	for len(s.turn) > 0 && (s.most == 0 || s.taken < s.most) {
		k := s.turn[0]
		s.turn[0], s.turn = nil, s.turn[1:]
		k.inTurn = false
		close(k.waiting[0])
		k.waiting = slices.Delete(k.waiting, 0, 1)
		k.held++
		s.taken++
		s.queueLocked(k)
	}
}

func (s *Slots) forgetLocked(key string, k *slots) {
	if k.held == 0 && len(k.waiting) == 0 {
		delete(s.byKey, key)
	}
}
