package cursor

import (
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/bellhop/bellhop/internal/notify"
)

// Keyring holds the generations of a journal, with whose secrets cursors and
// tickets are sealed. It may be used concurrently. Reading it takes no lock: Add
// replaces the list as a whole.
type Keyring struct {
	mu          sync.Mutex // held by Add
	generations atomic.Pointer[[]generation]
}

// generation contains the sequences from its First up to the First of the next
// generation.
type generation struct {
	notify.Generation
	block cipher.Block
}

// NewKeyring returns a keyring with these generations. Before the first one is
// added, no cursor or ticket can be sealed with it.
func NewKeyring(gs ...notify.Generation) *Keyring {
	k := &Keyring{}
	k.generations.Store(&[]generation{})
	k.Add(gs...)
	return k
}

// Add adds generations, for all sequences from their First on. A generation that
// is known already is ignored. A node calls Add when it applies a generation,
// before it delivers any sequence of it.
func (k *Keyring) Add(gs ...notify.Generation) {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := slices.Clone(*k.generations.Load())
	for _, g := range gs {
		i, known := find(all, g.First)
		if known {
			continue
		}
		block, err := aes.NewCipher(g.Secret[:])
		if err != nil {
			panic(err) // aes refuses other lengths than 16, 24 and 32 bytes only
		}
		all = slices.Insert(all, i, generation{g, block})
	}
	k.generations.Store(&all)
}

// Derive returns a key for a purpose other than cursors. It is the same on all nodes and after
// each restart, as long as the journal keeps its first generation. There must be one.
func (k *Keyring) Derive(purpose string) []byte {
	first := (*k.generations.Load())[0]
	mac := hmac.New(sha256.New, first.Secret[:])
	_, _ = mac.Write([]byte(purpose)) // a hash never fails
	return mac.Sum(nil)
}

// containing returns the generation that contains seq, and for a sequence before
// all generations the first one.
func (k *Keyring) containing(seq notify.Sequence) *generation {
	all := *k.generations.Load()
	if newest := &all[len(all)-1]; seq >= newest.First {
		return newest
	}
	i, found := find(all, seq)
	if !found {
		i = max(0, i-1)
	}
	return &all[i]
}

// newest returns the newest generations, at most n, oldest first.
func (k *Keyring) newest(n int) []generation {
	all := *k.generations.Load()
	return all[max(0, len(all)-n):]
}

func find(all []generation, first notify.Sequence) (i int, found bool) {
	return slices.BinarySearchFunc(all, first, func(g generation, first notify.Sequence) int {
		return cmp.Compare(g.First, first)
	})
}
