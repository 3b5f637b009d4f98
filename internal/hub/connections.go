package hub

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/bellhop/bellhop/internal/notify"
)

// Connections returns the connections that u has on this node, oldest first. Their
// Node is not set, and the Address of one that took no slot is invalid.
func (h *Hub) Connections(u notify.UserID) []notify.Connection {
	s := h.shardOf(u)
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]notify.Connection, 0, len(s.users[u]))
	for _, c := range s.users[u] {
		all = append(all, notify.Connection{
			ID: c.id, Transport: c.transport.Name(), Since: sinceOf(c.id), Address: c.slot.Address(),
		})
	}
	return all
}

// sinceOf returns when a connection was opened, from its ID: a UUIDv7 has the time in
// milliseconds. For any other ID it returns the zero time.
func sinceOf(id string) time.Time {
	u, err := uuid.Parse(id)
	if err != nil || u.Version() != 7 {
		return time.Time{}
	}
	return time.Unix(u.Time().UnixTime())
}

// Disconnect ends the connections that u has on this node, or of these the one
// with an ID, and returns how many it has ended.
func (h *Hub) Disconnect(u notify.UserID, id string, why notify.Close) int {
	s := h.shardOf(u)
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range slices.Backward(s.users[u]) { // backward: endLocked removes c
		if id == "" || id == c.id {
			s.endLocked(c, why)
			n++
		}
	}
	return n
}

// Revoke ends the connections whose tokens r revokes. Callers of Register and Renew must
// check the revocation again afterwards: a revocation applied in between does not see the
// connection.
func (h *Hub) Revoke(r notify.Revocation) {
	if r.TokenID == "" {
		h.shardOf(r.User).revoke(r, r.User)
		return
	}
	for i := range h.shards { // any user may have the token
		h.shards[i].revokeToken(r)
	}
}

func (s *shard) revokeToken(r notify.Revocation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for u := range s.users {
		s.revokeLocked(u, r)
	}
}

func (s *shard) revoke(r notify.Revocation, u notify.UserID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revokeLocked(u, r)
}

// revokeLocked ends the connections of u whose tokens r revokes.
func (s *shard) revokeLocked(u notify.UserID, r notify.Revocation) {
	for _, c := range slices.Backward(s.users[u]) { // backward: endLocked removes c
		if c.principal.isOf(r) {
			s.endLocked(c, notify.CloseRevoked)
		}
	}
}

// endWithdrawn ends the connections whose issuer was withdrawn. It may miss a connection
// that is registered or renewed meanwhile: that caller must check the issuer afterwards.
func (h *Hub) endWithdrawn() {
	for i := range h.shards {
		h.shards[i].endWithdrawn()
	}
}

func (s *shard) endWithdrawn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, conns := range s.users {
		for _, c := range slices.Backward(conns) { // backward: endLocked removes c
			if why, yes := c.principal.issuer.Withdrawn(); yes {
				s.endLocked(c, why)
			}
		}
	}
}

// Renew replaces the principal of c by that of a newer token of its user. It reports
// false, and changes nothing, if c has ended or p is another user.
func (c *Conn) Renew(p notify.Principal) bool {
	s := c.shard
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.User != c.principal.user || c.phase != joining && c.phase != live {
		return false
	}
	was := c.principal
	c.principal = compact(p)
	s.resubscribeLocked(c, was.topics())
	if was.since != c.principal.since || !slices.Equal(was.topics(), c.principal.topics()) {
		s.noteCountLocked(c) // its inbox has more or fewer notifications now
	}
	c.unlinkLocked() // it may expire before its next check
	s.wheel.schedule(c, s.hub.since(), &s.hub.opts)
	return true
}
