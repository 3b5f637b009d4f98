package auth

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// What is remembered: so many verified tokens, twice over at most, of principals
// that take no more than so many bytes beside what all take.
const (
	cacheMost     = 16 << 10
	principalMost = 1 << 10
)

// cache remembers the principals of tokens that were verified a moment ago: a
// backend sends the same one with each request, and so does a client that comes
// back, and checking it costs more than reading what it sends. Tokens themselves
// are not kept, only their hashes.
type cache struct {
	mu         sync.Mutex
	young, old map[[sha256.Size]byte]verified // old is young as it was when it was full
}

type verified struct {
	principal notify.Principal
	keys      uint64 // the version of the keys that verified it
}

// get returns the principal of a token that was verified with these keys and has
// not expired since.
func (c *cache) get(token [sha256.Size]byte, keys uint64, now time.Time) (notify.Principal, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.young[token]
	if !ok {
		v, ok = c.old[token]
	}
	if !ok || v.keys != keys || !now.Before(v.principal.Expires.Add(notify.Leeway)) {
		return notify.Principal{}, false
	}
	return v.principal, true
}

func (c *cache) put(token [sha256.Size]byte, keys uint64, p notify.Principal) {
	if size(&p) > principalMost {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.young == nil || len(c.young) >= cacheMost {
		c.young, c.old = make(map[[sha256.Size]byte]verified), c.young
	}
	c.young[token] = verified{p, keys}
}

// size is how many bytes the names in p have.
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
