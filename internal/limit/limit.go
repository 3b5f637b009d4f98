// Package limit holds callers to a rate: a token bucket for each key, such as a
// principal's name or an address. It promises bounded memory however many keys
// there are, and leaves it to others what a key is and what they limit. The
// clock is the monotonic one: setting the wall clock neither blocks nor frees
// anybody.
package limit

import (
	"fmt"
	"hash/maphash"
	"math"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/bellhop/bellhop/internal/cache"
	"github.com/bellhop/bellhop/internal/notify"
)

// Keys are spread over shards by a seeded hash, so that nobody can aim at one.
const (
	shardCount = 64

	// shardKeys is the maximum number of keys in a generation of a shard: 131,072
	// buckets in all, some 40 MB if every name has the maximum length.
	shardKeys = 1024
)

// Limiter allows each key so much in a window, and a burst at once. A nil
// Limiter allows everything.
type Limiter struct {
	// Set by New, then read-only.
	rate  notify.Rate
	limit rate.Limit
	burst int
	full  time.Duration // after so long an unused bucket is full, as a new one is
	seed  maphash.Seed

	shards [shardCount]shard
}

// shard has the buckets of some keys. The cache rotates when its young generation has
// been there for as long as a bucket takes to fill: a bucket that is then forgotten was
// unused for at least that long, so it was full, as a new one is.
//
// The cache rotates earlier only when it is full. A key whose bucket is forgotten then
// starts with a full bucket: whoever has that many keys gets more bursts, and no other
// key gets less.
type shard struct {
	mu      sync.Mutex
	buckets cache.Map[string, *rate.Limiter]
}

// New returns a limiter that allows r for each key, with up to burst at once;
// with no burst, a window's worth. A rate without a quota is no limit: nil.
func New(r notify.Rate, burst int) *Limiter {
	if r.Quota <= 0 || r.Window <= 0 {
		return nil
	}
	if burst <= 0 {
		burst = r.Quota
	}
	perSecond := float64(r.Quota) / r.Window.Seconds()
	l := &Limiter{
		rate:  r,
		limit: rate.Limit(perSecond),
		burst: burst,
		full:  seconds(float64(burst) / perSecond),
		seed:  maphash.MakeSeed(),
	}
	for i := range l.shards {
		l.shards[i].buckets.Max = shardKeys
	}
	return l
}

// Allow takes n from the bucket of key, or a full bucket if n is more than
// that. If there is not so much in it, nothing is taken, and the error is of
// kind ErrLimit and says when there will be.
func (l *Limiter) Allow(key string, n int) error {
	if l == nil {
		return nil
	}
	n = min(n, l.burst)
	now := time.Now()
	bucket := l.bucket(key, now)
	if bucket.AllowN(now, n) {
		return nil
	}
	missing := float64(n) - bucket.TokensAt(now)
	return &notify.Error{
		Kind:       notify.ErrLimit,
		Detail:     fmt.Sprintf("more than %d %s in %s", l.rate.Quota, l.rate.Name, window(l.rate.Window)),
		RetryAfter: max(time.Millisecond, seconds(missing/float64(l.limit))),
		Rate:       l.rate,
	}
}

// Charge takes n from the bucket of key for work that is done, whatever is in it:
// Allow refuses until that is made up for. A bucket owes one burst at most, so that
// a single large piece of work blocks nobody for long.
func (l *Limiter) Charge(key string, n int) {
	if l == nil {
		return
	}
	now := time.Now()
	bucket := l.bucket(key, now)
	left := int(bucket.TokensAt(now)) + l.burst
	if n = min(n, left, 2*l.burst); n > l.burst {
		bucket.ReserveN(now, l.burst)
		n -= l.burst
	}
	if n > 0 {
		bucket.ReserveN(now, n)
	}
}

func (l *Limiter) bucket(key string, now time.Time) *rate.Limiter {
	s := &l.shards[maphash.String(l.seed, key)%shardCount]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buckets.RotateAfter(l.full, now)
	b, ok := s.buckets.Get(key)
	if !ok {
		b = rate.NewLimiter(l.limit, l.burst)
		s.buckets.Put(key, b)
	}
	return b
}

// seconds rounds up to the millisecond: who comes back then is let in.
func seconds(s float64) time.Duration {
	return time.Duration(math.Ceil(s*1e3)) * time.Millisecond
}

func window(d time.Duration) string {
	if d == time.Second {
		return "a second"
	}
	return d.String()
}

// AddressKey returns the key that an address is limited by. An IPv6 /64 is one,
// since one subscriber has all of it; an IPv4 address is the same however it is
// written.
func AddressKey(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		a = netip.PrefixFrom(a, 64).Masked().Addr()
	}
	return a.String()
}
