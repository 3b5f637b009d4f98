package cursor

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// A ticket is 32 bytes in base64url: 16 random bytes and a MAC over them under
// the secret of the generation in which it was issued. The MAC lets every node
// refuse a string that is no ticket without asking the journal; the journal
// alone decides whether a ticket is valid.
const (
	ticketBytes  = 32
	ticketRandom = 16

	// ticketGenerations is the number of newest generations of which a ticket is
	// accepted. No more begin within a ticket's lifetime of 30 seconds.
	ticketGenerations = 32
)

// NewTicket returns a new ticket, sealed with the newest generation.
func (k *Keyring) NewTicket() string {
	var raw [ticketBytes]byte
	rand.Read(raw[:ticketRandom]) // never fails: crypto/rand
	copy(raw[ticketRandom:], k.newest(1)[0].ticketMAC(raw[:ticketRandom]))
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// IsTicket reports whether s was sealed as a ticket by any node of this journal.
func (k *Keyring) IsTicket(s string) bool {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(raw) != ticketBytes {
		return false
	}
	for _, g := range k.newest(ticketGenerations) {
		if hmac.Equal(raw[ticketRandom:], g.ticketMAC(raw[:ticketRandom])) {
			return true
		}
	}
	return false
}

// ticketMAC returns the 16 bytes that authenticate the random bytes of a ticket.
func (g *generation) ticketMAC(random []byte) []byte {
	mac := hmac.New(sha256.New, g.Secret[:])
	mac.Write([]byte("ticket"))
	mac.Write(random)
	return mac.Sum(nil)[:16]
}
