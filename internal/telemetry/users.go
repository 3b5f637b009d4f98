package telemetry

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"sync/atomic"

	"github.com/bellhop/bellhop/internal/notify"
)

// users writes users to the log as keyed hashes: lines of one user can be found by a reader who
// knows the user, and cannot be turned back into names by one who has only the log.
type users struct{ key atomic.Pointer[[]byte] }

// newUsers returns users with a random key, so that no name is written before SetUserKey.
func newUsers() *users {
	u := &users{}
	u.set([]byte(rand.Text()))
	return u
}

func (u *users) set(key []byte) { u.key.Store(&key) }

// hashBytes is the length of a hash: two users of a million have the same with a probability of
// less than one in ten million.
const hashBytes = 8

func (u *users) hash(user notify.UserID) string {
	mac := hmac.New(sha256.New, *u.key.Load())
	_, _ = mac.Write([]byte(user)) // a hash never fails
	return hex.EncodeToString(mac.Sum(nil)[:hashBytes])
}

// SetUserKey replaces the key with which users are hashed. Nodes with the same key write the
// same hash for a user.
func (l *Log) SetUserKey(key []byte) { l.users.set(key) }

// UserHash returns the text that stands for a user in log lines: attributes whose value is a
// notify.UserID are written so.
func (l *Log) UserHash(user notify.UserID) string { return l.users.hash(user) }
