package auth

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/bellhop/bellhop/internal/cache"
	"github.com/bellhop/bellhop/internal/notify"
)

// Limits of the cache: the number of tokens in a generation, and the total length of the
// names of a principal, in bytes.
const (
	maxCached    = 16 << 10
	maxPrincipal = 1 << 10
)

// tokenCache has the principals of tokens that were verified recently, all by the same keys.
// Backends send the same token with every request, and so do clients that reconnect;
// verifying a token costs more than reading the request. Only hashes of tokens are kept.
type tokenCache struct {
	mu     sync.Mutex
	keys   uint64 // the version of the keys by which the tokens were verified
	tokens cache.Map[[sha256.Size]byte, notify.Principal]
}

// get returns the principal of a token that was verified with this version of the keys and
// has not expired.
func (c *tokenCache) get(token [sha256.Size]byte, keys uint64, now time.Time) (notify.Principal, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if keys != c.keys {
		return notify.Principal{}, false
	}
	p, ok := c.tokens.Get(token)
	if !ok || !now.Before(p.Expires.Add(notify.Leeway)) {
		return notify.Principal{}, false
	}
	return p, true
}

// put adds a token that was verified with a version of the keys. The first one of a newer
// version removes all others: they would never be found again.
func (c *tokenCache) put(token [sha256.Size]byte, keys uint64, p notify.Principal) {
	if size(&p) > maxPrincipal {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case keys < c.keys: // of a request that began before the keys changed
		return
	case keys > c.keys:
		c.keys, c.tokens = keys, cache.Map[[sha256.Size]byte, notify.Principal]{}
	}
	c.tokens.Max = maxCached
	c.tokens.Put(token, p)
}

// size returns the total length of the names in p.
func size(p *notify.Principal) int {
	n := len(p.User) + len(p.Name) + len(p.TokenID)
	for _, s := range p.Scopes {
		n += len(s)
	}
	for _, t := range p.Topics {
		n += len(t)
	}
	return n
}
