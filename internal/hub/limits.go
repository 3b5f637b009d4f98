package hub

// Limits are those of Options that can be replaced while connections are open.
type Limits struct{ PerUser, QueueLen, QueueBytes, Connections, PerAddress, QueuedBytes int }

// SetLimits replaces the limits. Connections that are open stay open: what they have counts
// when they receive the next event, and when the next connection opens. The first three must
// be more than 0. A hub that was made without a limit on QueuedBytes gets none.
func (h *Hub) SetLimits(l Limits) {
	h.limits.Store(&l)
	h.admission.Set(l.Connections, l.PerAddress)
	h.budget.Set(int64(l.QueuedBytes))
}
