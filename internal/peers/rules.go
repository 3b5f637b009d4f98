package peers

import "time"

// rulesAfter is the time for which every node must have announced a version of the rules before
// the version may be brought into force. A node that is being restarted is silent for less than
// that, and still counts.
const rulesAfter = time.Minute

// announcements are the versions of the rules that the other nodes have announced in their beats,
// for longer than a node is in the list of nodes.
type announcements struct {
	own   uint32    // version of this node
	since time.Time // the beats of this node have come back from the servers since then, without a pause
	last  time.Time // when the last one did
	nodes map[string]announcement
}

type announcement struct {
	rules uint32
	heard time.Time
}

func newAnnouncements(own uint32) announcements {
	return announcements{own: own, nodes: map[string]announcement{}}
}

// heardOwn notes a beat of this node, which shows that beats of other nodes can arrive.
func (a *announcements) heardOwn(now time.Time) {
	if now.Sub(a.last) > leaseAfter {
		a.since = now
	}
	a.last = now
}

// heard notes a beat of another node.
func (a *announcements) heard(node string, rules uint32, now time.Time) {
	a.nodes[node] = announcement{rules, now}
}

// common returns the latest version that this node and all nodes heard within rulesAfter can
// apply, 0 if this node could not hear the others for all of that time.
func (a *announcements) common(now time.Time) uint32 {
	if now.Sub(a.last) > leaseAfter || now.Sub(a.since) < rulesAfter {
		return 0
	}
	rules := a.own
	for name, n := range a.nodes {
		if now.Sub(n.heard) > rulesAfter {
			delete(a.nodes, name)
			continue
		}
		rules = min(rules, n.rules)
	}
	return rules
}

// Rules returns the latest version of the rules that all nodes can apply, 0 while that is not
// known: see announcements.
func (c *Cluster) Rules() uint32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.announced.common(time.Now())
}
