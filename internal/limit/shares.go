package limit

import "sync"

// Client is the client for which an amount is taken. The principal is empty before the
// client is authenticated.
type Client struct {
	Address   string // an AddressKey; empty: all clients with an unknown address
	Principal string
}

// Shares is a budget that addresses share by the rule of Budget, and in which the
// principals of an address share by the same rule: an address gets at most half of the
// budget, and a principal at one address a quarter. A single Take may always use all that
// is left, so a budget as large as the largest item is large enough.
type Shares struct {
	budget *Budget

	mu          sync.Mutex
	byAddress   map[string]int64 // none of the values is 0
	byPrincipal map[string]int64
	byClient    map[Client]int64
}

// NewShares returns shares of a budget of most, which must be more than 0.
func NewShares(most int64) *Shares {
	return &Shares{
		budget:      NewBudget(most),
		byAddress:   make(map[string]int64),
		byPrincipal: make(map[string]int64),
		byClient:    make(map[Client]int64),
	}
}

// Take takes n more for an item of c that has own already. It reports false, and takes
// nothing, if c would exceed its share.
func (s *Shares) Take(c Client, n, own int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.hasLocked(c, n, own) {
		return false
	}
	s.addLocked(c, n)
	return true
}

// hasLocked reports whether the other items of c, without own, leave it n.
func (s *Shares) hasLocked(c Client, n, own int64) bool {
	address, total := s.byAddress[c.Address], s.budget.Taken()+n
	if total+max(0, address-own) > s.budget.most.Load() {
		return false
	}
	if c.Principal == "" {
		return true
	}
	had := s.byClient[c] - own // of the half for the address
	return total+max(0, s.byPrincipal[c.Principal]-own) <= s.budget.most.Load() &&
		(had <= 0 || address+n+had <= s.budget.most.Load()/2)
}

// Give returns n, which c has taken, to the budget.
func (s *Shares) Give(c Client, n int64) {
	if n == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addLocked(c, -n)
}

func (s *Shares) addLocked(c Client, n int64) {
	s.budget.taken.Add(n)
	add(s.byAddress, c.Address, n)
	if c.Principal != "" {
		add(s.byPrincipal, c.Principal, n)
		add(s.byClient, c, n)
	}
}

func add[K comparable](to map[K]int64, key K, n int64) {
	if to[key] += n; to[key] == 0 {
		delete(to, key)
	}
}

// Taken returns the amount that all clients have.
func (s *Shares) Taken() int64 { return s.budget.Taken() }
