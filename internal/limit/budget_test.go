package limit_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/limit"
)

// greedy takes 1 for a client until that is refused, and returns how often it was granted.
func greedy(s *limit.Shares, c limit.Client) (n int64) {
	for s.Take(c, 1, 0) {
		n++
	}
	return n
}

func TestABudgetLeavesSomethingForTheNext(t *testing.T) {
	b := limit.NewBudget(1_024)
	left := int64(1_024)
	for range 8 { // each has nothing, and wants all
		had := int64(0)
		for b.Take(1, had) {
			had++
		}
		require.Equal(t, left/2, had)
		left -= had
	}
	b.Give(b.Taken())
	require.True(t, b.Take(1_024, 0), "a caller that has nothing may take the whole budget")
	require.False(t, b.Take(1, 0))
	var none *limit.Budget
	require.True(t, none.Take(1<<60, 0))
	require.Nil(t, limit.NewBudget(0))
}

// One principal, or one address with many principals, leaves something for others, also for
// other principals at the same address.
func TestSharesAreOfAddressesAndOfPrincipals(t *testing.T) {
	s := limit.NewShares(1_024)
	mallory := limit.Client{Address: "a", Principal: "mallory"}
	require.EqualValues(t, 256, greedy(s, mallory), "half of what an address may have")
	require.EqualValues(t, 0, greedy(s, mallory))
	require.EqualValues(t, 128, greedy(s, limit.Client{Address: "a", Principal: "ada"}), "of the same address")
	for i := range 1_000 {
		greedy(s, limit.Client{Address: "a", Principal: fmt.Sprint(i)})
	}
	require.LessOrEqual(t, s.Taken(), int64(512), "of an address with very many principals")
	require.NotZero(t, greedy(s, limit.Client{Address: "b", Principal: "grace"}))
	require.NotZero(t, greedy(s, limit.Client{Address: "c"}), "a client whose principal is unknown")
}

func TestAPrincipalWithManyAddressesGetsHalf(t *testing.T) {
	s := limit.NewShares(1_024)
	for i := range 1_000 {
		greedy(s, limit.Client{Address: fmt.Sprint(i), Principal: "mallory"})
	}
	require.LessOrEqual(t, s.Taken(), int64(512))
	require.NotZero(t, greedy(s, limit.Client{Address: "a", Principal: "ada"}))
}

// An item that grows step by step may take all that other clients leave.
func TestSharesAllowOneLargeTake(t *testing.T) {
	s := limit.NewShares(1_024)
	c := limit.Client{Address: "a", Principal: "ada"}
	own := int64(0)
	for s.Take(c, 1, own) {
		own++
	}
	require.EqualValues(t, 1_024, own)
	require.False(t, s.Take(limit.Client{Address: "b"}, 1, 0))
	s.Give(c, own)
	require.Zero(t, s.Taken())
	require.EqualValues(t, 256, greedy(s, c), "returned amounts no longer count")
}

// A budget that becomes smaller than what callers have refuses until they have given enough.
func TestABudgetIsReplaced(t *testing.T) {
	b := limit.NewBudget(100)
	require.True(t, b.Take(80, 0))
	b.Set(50)
	require.False(t, b.Take(1, 0))
	b.Give(40)
	require.True(t, b.Take(10, 0))
	b.Set(1_000)
	require.True(t, b.Take(900, 0))
	var none *limit.Budget
	none.Set(1)
	require.True(t, none.Take(1<<60, 0), "no limit stays none")
}
