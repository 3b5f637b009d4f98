package notify

import "crypto/sha256"

// Erase removes everything that is kept about a user, but for revocations of the user's tokens. An
// entry does a bounded part of the work. If there is more, Verdict.More is set, and the next Erase
// continues from Verdict.Rest. What is published to the user meanwhile may stay.
type Erase struct {
	User UserID
	From string // the Verdict.Rest of the previous Erase of the user; empty: begin
}

// Erased means that everything kept about a user up to Sequence was removed, and that the files of
// the store may still have it.
type Erased struct {
	Sequence Sequence
	User     UserID
}

// maxEraseFrom is the maximum length of Erase.From.
const maxEraseFrom = 2 << 10

func (e *Erase) fault() string {
	if len(e.From) > maxEraseFrom {
		return "an erasure that continues from a position that is too long"
	}
	return nameLength("the user of an erasure", e.User)
}

func (Erase) entry()   {}
func (Erased) change() {}

// PrincipalName returns the Name of the principal of u's tokens.
func (u UserID) PrincipalName() string { return "user:" + string(u) }

// KeyOwner returns the beginning of the Name of each idempotency key of the principal with a name,
// so that the keys of a principal can be found.
func KeyOwner(principal string) (prefix [16]byte) {
	hash := sha256.Sum256([]byte(principal))
	copy(prefix[:], hash[:])
	return prefix
}
