package hub

// hasRoomFor reports whether n bytes are at most half of what the budget has left.
func (h *Hub) hasRoomFor(n int) bool {
	left, limited := h.budget.Left()
	return !limited || 2*int64(n) <= left
}

// Queued returns the size of the send queues of all connections, and 0 if that is not
// limited.
func (h *Hub) Queued() int64 { return h.budget.Taken() }

// queuedLocked returns how many bytes are queued for c, held until it is live, or
// being written.
func (c *Conn) queuedLocked() int {
	_, n := c.queue.size(c.transport)
	n += int(c.flightBytes)
	if c.held != nil {
		n += c.held.bytes
	}
	return n
}
