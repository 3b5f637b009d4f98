package peers

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// renewEvery is the interval at which a node that is cut off from the others subscribes again.
const renewEvery = 5 * time.Second

// reach knows whether this node reaches the others: its own beats must come back from NATS.
// Otherwise NATS refuses what it publishes or subscribes to, and would not tell the sender of an
// ephemeral notification.
//
// A node that NATS has refused a subscription does not get it when the permission is granted: it
// must subscribe again.
type reach struct {
	logger *slog.Logger
	prefix string // of the subjects

	heard  atomic.Bool // a beat has come back since the start
	cutOff atomic.Bool // none has come back for deadAfter, although there was a connection to NATS

	// Touched by tick alone.
	since   time.Time // since when there has been a connection; zero: there is none
	renewed time.Time
}

// tick is called once a second. own is the time of the last beat of this node that has come back.
// The caller must subscribe again if renew is true.
func (r *reach) tick(now time.Time, connected bool, own time.Time) (renew bool) {
	if !connected { // which others say
		r.since = time.Time{}
		return false
	}
	if r.since.IsZero() {
		r.since = now
	}
	switch cutOff := now.Sub(own) >= deadAfter && now.Sub(r.since) >= deadAfter; {
	case !cutOff && now.Sub(own) < deadAfter && r.cutOff.Swap(false):
		r.logger.Info("messages to the other nodes come back from NATS again")
	case cutOff && !r.cutOff.Swap(true):
		r.logger.Error("this node is cut off from the other nodes; ephemeral notifications are refused", "error", r.err())
	}
	if !r.cutOff.Load() || now.Sub(r.renewed) < renewEvery {
		return false
	}
	r.renewed = now
	return true
}

func (r *reach) err() error {
	return notify.Unavailable(notify.CauseNodes,
		"messages to the other nodes do not come back from NATS; may the NATS user publish and subscribe to %s>?", r.prefix)
}

// Ready returns nil once a message of this node to the others has come back from NATS, unless
// another node has its name. A node that is cut off from the others later stays ready, since it
// stores and delivers what is published on any node.
func (c *Cluster) Ready() error {
	if err := c.NameTaken(); err != nil || c.reach.heard.Load() {
		return err
	}
	return c.reach.err()
}

// CutOff returns an error of kind ErrUnavailable while this node is connected to NATS and does not
// reach the other nodes.
func (c *Cluster) CutOff() error {
	if c.reach.cutOff.Load() {
		return c.reach.err()
	}
	return nil
}

// checkReach notes whether this node reaches the others, and subscribes again if it does not. Beats of
// others cannot arrive while not even its own do, or while it is cut off from the journal.
func (c *Cluster) checkReach() {
	fromJournal, now := c.o.State().CutOff, time.Now()
	c.mu.Lock()
	own := c.announced.last
	if fromJournal || now.Sub(own) > leaseAfter {
		c.deaf = now
	}
	c.mu.Unlock()
	if !c.reach.tick(now, c.o.Conn.IsConnected(), own) {
		return
	}
	err := c.unsubscribe()
	if err == nil {
		err = c.subscribe()
	}
	if err != nil {
		c.o.Logger.Warn("subscribing again to the messages of other nodes failed", "error", err)
	}
}
