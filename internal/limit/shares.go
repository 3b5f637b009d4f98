package limit

import "sync"

// Holder is the client for which an amount is taken. The principal is empty before it is
// authenticated.
type Holder struct {
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
	byHolder    map[Holder]int64
}

// NewShares returns shares of a budget of most, which must be more than 0.
func NewShares(most int64) *Shares {
	return &Shares{
		budget:      NewBudget(most),
		byAddress:   make(map[string]int64),
		byPrincipal: make(map[string]int64),
		byHolder:    make(map[Holder]int64),
	}
}

// Take takes n more for an item that has own already, on behalf of its holder. It reports
// false, and takes nothing, if the holder would exceed its share.
func (s *Shares) Take(h Holder, n, own int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.hasLocked(h, n, own) {
		return false
	}
	s.addLocked(h, n)
	return true
}

// hasLocked reports whether the holder's other items, without own, leave it n. Callers hold mu.
func (s *Shares) hasLocked(h Holder, n, own int64) bool {
	address, total := s.byAddress[h.Address], s.budget.Taken()+n
	if total+max(0, address-own) > s.budget.most {
		return false
	}
	if h.Principal == "" {
		return true
	}
	had := s.byHolder[h] - own // of the half for the address
	return total+max(0, s.byPrincipal[h.Principal]-own) <= s.budget.most &&
		(had <= 0 || address+n+had <= s.budget.most/2)
}

// Give returns n, which holder h has, to the budget.
func (s *Shares) Give(h Holder, n int64) {
	if n == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addLocked(h, -n)
}

func (s *Shares) addLocked(h Holder, n int64) {
	s.budget.taken.Add(n)
	add(s.byAddress, h.Address, n)
	if h.Principal != "" {
		add(s.byPrincipal, h.Principal, n)
		add(s.byHolder, h, n)
	}
}

func add[K comparable](to map[K]int64, key K, n int64) {
	if to[key] += n; to[key] == 0 {
		delete(to, key)
	}
}

// Taken returns the amount that all holders have.
func (s *Shares) Taken() int64 { return s.budget.Taken() }
