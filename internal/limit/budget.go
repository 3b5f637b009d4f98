package limit

import "sync/atomic"

// Budget is an amount, such as bytes of memory, that several callers share. A caller may
// have at most as much as is left: one caller gets up to half of the budget, and k callers
// that want as much as possible get 1/(k+1) each, with the same amount left. So there is
// always something left for a new caller. A nil Budget grants everything and counts nothing.
type Budget struct {
	most  atomic.Int64
	taken atomic.Int64
}

// NewBudget returns a budget of most, or nil if most is 0 or less.
func NewBudget(most int64) *Budget {
	if most <= 0 {
		return nil
	}
	b := &Budget{}
	b.most.Store(most)
	return b
}

// Set replaces the amount, which must be more than 0. Callers keep what they have, so that
// nothing may be left for a time. A nil Budget remains unlimited.
func (b *Budget) Set(most int64) {
	if b != nil && most > 0 {
		b.most.Store(most)
	}
}

// Take takes n for a caller that has had from earlier calls. It reports false, and takes
// nothing, if the caller would then have more than would be left. A caller that passes 0
// for had may take all that is left.
func (b *Budget) Take(n, had int64) bool {
	if b == nil {
		return true
	}
	if b.taken.Add(n)+had <= b.most.Load() {
		return true
	}
	b.taken.Add(-n)
	return false
}

// Give returns n to the budget.
func (b *Budget) Give(n int64) {
	if b != nil && n != 0 {
		b.taken.Add(-n)
	}
}

// Left returns the amount that is left, and false if the budget is unlimited.
func (b *Budget) Left() (n int64, limited bool) {
	if b == nil {
		return 0, false
	}
	return b.most.Load() - b.taken.Load(), true
}

// Taken returns the amount that all callers have.
func (b *Budget) Taken() int64 {
	if b == nil {
		return 0
	}
	return b.taken.Load()
}
