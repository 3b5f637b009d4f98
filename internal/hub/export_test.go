package hub

// Subscriptions returns how many topics and patterns the connections receive in all.
func (h *Hub) Subscriptions() int {
	h.subscriptions.mu.RLock()
	defer h.subscriptions.mu.RUnlock()
	return len(h.subscriptions.byHash)
}
