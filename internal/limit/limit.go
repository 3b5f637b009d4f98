// Package limit shares out rates and amounts. Its callers decide what is limited, and what
// a key is, such as the name of a principal or an address.
//
//   - A [Limiter] allows each key a number of events in a window of time (token buckets).
//     Its memory is bounded, however many keys there are. It uses the monotonic clock, so
//     changes of the wall clock have no effect.
//   - A [Budget] is an amount, such as bytes of memory, that is taken in one step or refused.
//     [Shares] divides a budget between addresses and principals.
//   - [Slots] is an amount that callers wait for, each key in turn. Where callers need no
//     turns, golang.org/x/sync/semaphore is the same without keys.
package limit

import (
	"fmt"
	"hash/maphash"
	"math"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/bellhop/bellhop/internal/cache"
	"github.com/bellhop/bellhop/internal/notify"
)

// Keys are distributed over shards by a seeded hash, so that clients cannot choose keys of
// the same shard.
const (
	shardCount = 64

	// shardKeys is the maximum number of keys in a generation of a shard: 131,072
	// buckets in all, some 40 MB if every name has the maximum length.
	shardKeys = 1024
)

// Limiter allows each key a quota in a window, and a burst at one time. A nil Limiter allows
// everything.
type Limiter struct {
	seed  maphash.Seed
	terms atomic.Pointer[terms]

	shards [shardCount]shard
}

// terms are the limits that are in force; they are never changed, but replaced by Set.
type terms struct {
	rate  notify.Rate // no quota: everything is allowed
	limit rate.Limit
	burst int
	full  time.Duration // the time in which an empty bucket becomes full
}

// shard has the buckets of some keys. The cache rotates when its young generation has
// been there for as long as a bucket takes to fill: a bucket that is then forgotten was
// unused for at least that long, so it was full, as a new one is.
//
// The cache rotates earlier only when it is full. A key whose bucket is forgotten then
// starts with a full bucket: a client with that many keys gets more bursts, and no other
// key gets less.
type shard struct {
	mu      sync.Mutex
	buckets cache.Map[string, *rate.Limiter]
}

// New returns a limiter that allows r for each key, with up to burst at one time, or up to the
// quota if burst is 0. It returns nil, which is no limit, if r has no quota.
func New(r notify.Rate, burst int) *Limiter {
	if r.Quota <= 0 || r.Window <= 0 {
		return nil
	}
	return Adjustable(r, burst)
}

// Adjustable returns the limiter of New, but never nil: Set can give it a quota later.
func Adjustable(r notify.Rate, burst int) *Limiter {
	l := &Limiter{seed: maphash.MakeSeed()}
	for i := range l.shards {
		l.shards[i].buckets.Max = shardKeys
	}
	l.terms.Store(&terms{rate: notify.Rate{Name: r.Name, Window: r.Window}})
	l.Set(r.Quota, burst)
	return l
}

// Set replaces the quota, 0 for no limit, and the burst, 0 for the quota, also for keys that
// have a bucket already. What they have used counts.
func (l *Limiter) Set(quota, burst int) {
	t := &terms{rate: l.terms.Load().rate}
	t.rate.Quota = max(0, quota)
	if t.rate.Window <= 0 {
		t.rate.Quota = 0
	}
	if t.rate.Quota > 0 {
		if burst <= 0 {
			burst = quota
		}
		perSecond := float64(quota) / t.rate.Window.Seconds()
		t.limit, t.burst, t.full = rate.Limit(perSecond), burst, seconds(float64(burst)/perSecond)
	}
	l.terms.Store(t)
}

// Allow takes n from the bucket of key, or a full bucket if n is more than a bucket holds.
// If the bucket has less, Allow takes nothing, and returns an error of kind ErrLimit that
// says after which time the same call is allowed.
func (l *Limiter) Allow(key string, n int) error {
	t := l.inForce()
	if t == nil {
		return nil
	}
	n = min(n, t.burst)
	now := time.Now()
	bucket := l.bucket(key, t, now)
	if bucket.AllowN(now, n) {
		return nil
	}
	missing := float64(n) - bucket.TokensAt(now)
	return &notify.Error{
		Kind:       notify.ErrLimit,
		Detail:     fmt.Sprintf("more than %d %s in %s", t.rate.Quota, t.rate.Name, window(t.rate.Window)),
		RetryAfter: max(time.Millisecond, seconds(missing/float64(t.limit))),
		Rate:       t.rate,
	}
}

// inForce returns the limits, nil if there are none.
func (l *Limiter) inForce() *terms {
	if l == nil {
		return nil
	}
	if t := l.terms.Load(); t.rate.Quota > 0 {
		return t
	}
	return nil
}

// Charge takes n from the bucket of key for work that has been done, even if the bucket has
// less. The bucket then has a debt, and Allow refuses until it is refilled. The debt is at
// most one burst, so that one large piece of work does not block a key for long.
func (l *Limiter) Charge(key string, n int) {
	t := l.inForce()
	if t == nil {
		return
	}
	now := time.Now()
	bucket := l.bucket(key, t, now)
	left := int(bucket.TokensAt(now)) + t.burst
	if n = min(n, left, 2*t.burst); n > t.burst {
		bucket.ReserveN(now, t.burst)
		n -= t.burst
	}
	if n > 0 {
		bucket.ReserveN(now, n)
	}
}

// bucket returns the bucket of key, with the limits t.
func (l *Limiter) bucket(key string, t *terms, now time.Time) *rate.Limiter {
	s := &l.shards[maphash.String(l.seed, key)%shardCount]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buckets.RotateAfter(t.full, now)
	b, ok := s.buckets.Get(key)
	if !ok {
		b = rate.NewLimiter(t.limit, t.burst)
		s.buckets.Put(key, b)
	}
	if b.Limit() != t.limit || b.Burst() != t.burst {
		b.SetLimitAt(now, t.limit)
		b.SetBurstAt(now, t.burst)
	}
	return b
}

// seconds returns s as a duration, rounded up to a millisecond, so that a caller that
// waits for this time is allowed.
func seconds(s float64) time.Duration {
	return time.Duration(math.Ceil(s*1e3)) * time.Millisecond
}

func window(d time.Duration) string {
	if d == time.Second {
		return "a second"
	}
	return d.String()
}

// Subscriber returns the address that stands for all addresses of a subscriber, who usually has
// a whole IPv6 /64: the first one of that. An IPv4 address stands for itself, also in its
// IPv6-mapped form.
func Subscriber(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		a = netip.PrefixFrom(a, 64).Masked().Addr()
	}
	return a
}

// AddressKey returns the key for limits on an address: all addresses of a Subscriber have one.
func AddressKey(a netip.Addr) string { return Subscriber(a).String() }
