package limit_test

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
)

func perSecond(quota int) notify.Rate {
	return notify.Rate{Name: "broadcasts", Quota: quota, Window: time.Second}
}

func TestBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limit.New(perSecond(10), 3)
		for range 3 {
			require.NoError(t, l.Allow("ada", 1))
		}
		err := l.Allow("ada", 1)
		var e *notify.Error
		require.ErrorAs(t, err, &e)
		require.ErrorIs(t, err, notify.ErrLimit)
		assert.Equal(t, perSecond(10), e.Rate)
		assert.Equal(t, 100*time.Millisecond, e.RetryAfter)
		assert.Equal(t, "more than 10 broadcasts in a second", e.Detail)
		require.NoError(t, l.Allow("grace", 3), "another key's bucket")

		time.Sleep(e.RetryAfter - time.Millisecond)
		require.Error(t, l.Allow("ada", 1))
		time.Sleep(time.Millisecond)
		require.NoError(t, l.Allow("ada", 1))
		require.Error(t, l.Allow("ada", 1))
	})
}

// The debt of a charge is refilled before more is allowed; it is at most one burst.
func TestCharge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limit.New(perSecond(10), 0)
		l.Charge("ada", 4)
		require.NoError(t, l.Allow("ada", 6))
		l.Charge("ada", 5)
		var e *notify.Error
		require.ErrorAs(t, l.Allow("ada", 1), &e)
		assert.Equal(t, 600*time.Millisecond, e.RetryAfter)
		time.Sleep(e.RetryAfter)
		require.NoError(t, l.Allow("ada", 1))
		for range 3 {
			l.Charge("ada", 1_000)
		}
		require.ErrorAs(t, l.Allow("ada", 1), &e)
		assert.LessOrEqual(t, e.RetryAfter, 1100*time.Millisecond)
		assert.Greater(t, e.RetryAfter, time.Second)
		require.NoError(t, l.Allow("grace", 10), "another key's bucket")
		(*limit.Limiter)(nil).Charge("ada", 1)
	})
}

// New limits hold at once, for keys that have a bucket too; what they have used counts.
func TestLimitsAreReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limit.Adjustable(perSecond(0), 0)
		require.NoError(t, l.Allow("ada", 1_000), "no quota is no limit")
		l.Charge("ada", 1_000)
		l.Set(10, 0)
		require.NoError(t, l.Allow("ada", 10))
		require.Error(t, l.Allow("ada", 1))

		l.Set(100, 0) // ada's bucket is empty, and is refilled faster
		var e *notify.Error
		require.ErrorAs(t, l.Allow("ada", 1), &e)
		assert.Equal(t, perSecond(100), e.Rate)
		assert.Equal(t, 10*time.Millisecond, e.RetryAfter)
		time.Sleep(time.Second)
		require.NoError(t, l.Allow("ada", 100))
		require.NoError(t, l.Allow("grace", 100))

		time.Sleep(time.Second)
		l.Set(5, 0)
		require.NoError(t, l.Allow("ada", 5))
		require.Error(t, l.Allow("ada", 1))
		l.Set(0, 0)
		require.NoError(t, l.Allow("ada", 1_000))
	})
}

// A call after RetryAfter is allowed, whatever the rate.
func TestARequestAfterRetryAfterIsAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, quota := range []int{1, 3, 7, 100, 999} {
			l := limit.New(perSecond(quota), 0)
			for n := 1; n <= quota; n += max(1, quota/5) {
				require.NoError(t, l.Allow("ada", quota))
				var e *notify.Error
				require.ErrorAs(t, l.Allow("ada", n), &e, "%d of %d", n, quota)
				time.Sleep(e.RetryAfter)
				require.NoError(t, l.Allow("ada", n), "%d of %d", n, quota)
				time.Sleep(time.Second)
			}
		}
	})
}

func TestATakeOfMoreThanABucketEmptiesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limit.New(perSecond(10), 0)
		require.NoError(t, l.Allow("ada", 1000))
		require.Error(t, l.Allow("ada", 1))
		time.Sleep(time.Second)
		require.NoError(t, l.Allow("ada", 1000))
	})
}

func TestNoLimit(t *testing.T) {
	for _, r := range []notify.Rate{{}, perSecond(0), {Quota: 1}} {
		l := limit.New(r, 1)
		for range 1000 {
			require.NoError(t, l.Allow("ada", 1))
		}
	}
}

// A key in use keeps its bucket over every change of generation.
func TestBucketsInUseAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limit.New(perSecond(10), 10)
		allowed := 0
		for range 10_000 { // 1 ms apart: 10 s
			if l.Allow("ada", 1) == nil {
				allowed++
			}
			time.Sleep(time.Millisecond)
		}
		assert.InDelta(t, 10+10*10, allowed, 1)
	})
}

// A million keys cannot fill the memory, and take nothing from other keys.
func TestManyKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limit.New(notify.Rate{Name: "requests", Quota: 1, Window: time.Hour}, 1)
		before := heap()
		for i := range 1_000_000 {
			require.NoError(t, l.Allow(fmt.Sprintf("stranger %d", i), 1))
		}
		grown := heap() - before
		assert.Less(t, grown, int64(60<<20), "bytes for a million keys")
		require.NoError(t, l.Allow("ada", 1))
		require.Error(t, l.Allow("ada", 1))
		runtime.KeepAlive(l)
	})
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestConcurrentlyExact(t *testing.T) {
	l := limit.New(notify.Rate{Name: "requests", Quota: 100, Window: time.Hour}, 100)
	var allowed atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				if err := l.Allow("ada", 1); err == nil {
					allowed.Add(1)
				} else if !errors.Is(err, notify.ErrLimit) {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	assert.EqualValues(t, 100, allowed.Load())
}

func TestAllowAllocatesNothing(t *testing.T) {
	l := limit.New(notify.Rate{Name: "requests", Quota: 1_000_000, Window: time.Hour}, 0)
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		if err := l.Allow("user:ada", 1); err != nil {
			t.Error(err)
		}
	}))
}

func TestAddressKey(t *testing.T) {
	key := func(s string) string { return limit.AddressKey(netip.MustParseAddr(s)) }
	assert.Equal(t, "192.0.2.1", key("192.0.2.1"))
	assert.Equal(t, key("192.0.2.1"), key("::ffff:192.0.2.1"))
	assert.NotEqual(t, key("192.0.2.1"), key("192.0.2.2"))
	assert.Equal(t, key("2001:db8:0:1::1"), key("2001:db8:0:1:ffff::2"))
	assert.NotEqual(t, key("2001:db8:0:1::1"), key("2001:db8:0:2::1"))
	assert.Equal(t, key("fe80::1%eth0"), key("fe80::2%eth1"))
	assert.NotPanics(t, func() { limit.AddressKey(netip.Addr{}) })
}
