package model

import (
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// erasure is the sequence and the time of an erasure.
type erasure struct {
	seq notify.Sequence
	at  time.Time
}

// deliver records the first delivery of a notification to a user, if it exists and wants receipts, and
// the user is not known to have been erased since.
func (m *Model) deliver(at time.Time, d notify.Delivery) {
	if d.Sequence < m.erased[d.User].seq {
		return
	}
	for _, it := range m.items {
		if it.Audience == notify.AudienceUser && it.Owner != "u:"+string(d.User) {
			continue // only those who have it
		}
		if _, again := m.delivered[d]; it.Sequence == d.Sequence && it.Receipt && !again {
			m.delivered[d] = at
		}
	}
}

// Delivered returns when the notification with an ID was delivered to a user, or seen if that is
// not known; zero: it wants no receipt, or neither has happened.
func (m *Model) Delivered(id string, u notify.UserID) time.Time {
	for _, it := range m.items {
		if it.ID() != id || !it.Receipt {
			continue
		}
		if at, ok := m.delivered[notify.Delivery{User: u, Sequence: it.Sequence}]; ok {
			return at
		}
		return m.marks[u][it.Sequence].Seen
	}
	return time.Time{}
}
