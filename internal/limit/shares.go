package limit

import "sync"

// Holder is who takes from a budget. The principal is empty where it is not known
// yet.
type Holder struct {
	Address   string // an AddressKey; all whose address is unknown are one
	Principal string
}

// Shares is a budget that is shared by address, and at an address by principal, by
// the rule of Budget: an address gets half at most, and a principal at it a
// quarter. One take is always allowed to use all that is left, so that a budget
// for one large thing is enough for it.
type Shares struct {
	budget *Budget

	mu          sync.Mutex
	byAddress   map[string]int64 // none of the values is 0
	byPrincipal map[string]int64
	byHolder    map[Holder]int64
}

// NewShares returns shares of most, which must be more than 0.
func NewShares(most int64) *Shares {
	return &Shares{
		budget:      NewBudget(most),
		byAddress:   make(map[string]int64),
		byPrincipal: make(map[string]int64),
		byHolder:    make(map[Holder]int64),
	}
}

// Take takes n more for something that has taken own already for its holder. It
// reports false, and takes nothing, if that is more than the holder's share.
func (s *Shares) Take(h Holder, n, own int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.hasLocked(h, n, own) {
		return false
	}
	s.addLocked(h, n)
	return true
}

// hasLocked compares what the holder has besides own with what is left.
func (s *Shares) hasLocked(h Holder, n, own int64) bool {
	address, total := s.byAddress[h.Address], s.budget.Taken()+n
	if total+max(0, address-own) > s.budget.most {
		return false
	}
	if h.Principal == "" {
		return true
	}
	had := s.byHolder[h] - own // within the half that an address may have
	return total+max(0, s.byPrincipal[h.Principal]-own) <= s.budget.most &&
		(had <= 0 || address+n+had <= s.budget.most/2)
}

// Give gives n of the holder back.
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

// Taken returns how much is taken in all.
func (s *Shares) Taken() int64 { return s.budget.Taken() }
