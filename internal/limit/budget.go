package limit

import "sync/atomic"

// Budget is an amount, such as bytes of memory, that holders share. One holder
// gets at most half of it, k holders that want all get 1/(k+1) each, and the same
// is left: a newcomer finds something, however much the others want. A nil Budget
// grants everything and counts nothing.
type Budget struct {
	most  int64
	taken atomic.Int64
}

// NewBudget returns a budget of most; nil if that is 0 or less.
func NewBudget(most int64) *Budget {
	if most <= 0 {
		return nil
	}
	return &Budget{most: most}
}

// Take takes n for a holder that has had taken had already. It reports false, and
// takes nothing, if the holder would then have more than is left.
func (b *Budget) Take(n, had int64) bool {
	if b == nil {
		return true
	}
	if b.taken.Add(n)+had <= b.most {
		return true
	}
	b.taken.Add(-n)
	return false
}

// Give gives n back.
func (b *Budget) Give(n int64) {
	if b != nil && n != 0 {
		b.taken.Add(-n)
	}
}

// Left returns how much is left, and false if that is not limited.
func (b *Budget) Left() (n int64, limited bool) {
	if b == nil {
		return 0, false
	}
	return b.most - b.taken.Load(), true
}

// Taken returns how much is taken.
func (b *Budget) Taken() int64 {
	if b == nil {
		return 0
	}
	return b.taken.Load()
}
