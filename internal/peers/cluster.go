package peers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/bellhop/bellhop/internal/notify"
)

// Times of beats. A node that was silent for deadAfter is lost: it is asked for nothing, and is only
// listed as lost until forgetAfter has passed. One that was silent for leaseAfter cannot hold the lease.
const (
	beatEvery   = time.Second
	leaseAfter  = 3 * time.Second
	deadAfter   = 5 * time.Second
	forgetAfter = time.Hour
	joinWait    = 250 * time.Millisecond // for the answers of other nodes at the start; later ones are found by their beats
)

// answerTimeout is the time for which a request waits for the answers of the other nodes.
const answerTimeout = 2 * time.Second

// Limits on messages that wait for a handler.
const (
	maxPendingMessages = 64 << 10
	maxPendingBytes    = 64 << 20
)

// ClusterOptions configure a Cluster.
type ClusterOptions struct {
	Conn    *nats.Conn // the caller closes it after Close
	Stream  string     // name of the journal's stream: nodes with the same stream are peers
	Node    string     // name of this node, which no other node may have
	Version string     // of the program, for operators
	Rules   uint32     // the latest version of the rules that this node applies

	Hub     Hub
	Deliver func(notify.Change) // delivers to the connections of this node; does not wait
	State   func() State        // of this node
	Logger  *slog.Logger
}

// Cluster is the notify.Peers and the notify.Lease of a node with others. Its methods may be
// called concurrently.
type Cluster struct {
	o     ClusterOptions
	local *Local
	self  Node // without its State

	nameTaken atomic.Bool // NameTaken was logged
	reach     reach

	mu        sync.Mutex      // guards the following
	nodes     map[string]Node // other nodes by name
	announced announcements
	deaf      time.Time // when beats of other nodes last could not arrive; see checkReach

	subscriptions []*nats.Subscription
	stop          context.CancelFunc
	running       sync.WaitGroup
}

// NewCluster returns the peers of a node. Join must be called before any other method.
func NewCluster(o ClusterOptions) *Cluster {
	c := &Cluster{
		o:         o,
		local:     NewLocal(o.Node, o.Hub, o.Deliver),
		self:      Node{Name: o.Node, Instance: rand.Text(), Version: o.Version, Rules: o.Rules, Started: time.Now().Round(0)},
		nodes:     map[string]Node{},
		announced: newAnnouncements(o.Rules),
		stop:      func() {},
	}
	c.reach.logger, c.reach.prefix = o.Logger, c.subject("")
	return c
}

func (c *Cluster) subject(of string) string { return SubjectPrefix(c.o.Stream) + of }

// SubjectPrefix returns the beginning of all subjects of the peers with a stream.
func SubjectPrefix(stream string) string { return "bellhop." + stream + ".peers." }

// Join makes this node known to the others and learns which there are. If NATS cannot be
// reached, the node joins as soon as it is. The caller must call Close.
func (c *Cluster) Join(ctx context.Context) error {
	if err := c.subscribe(); err != nil {
		return errors.Join(err, c.Close())
	}
	c.meet(ctx)
	ctx, c.stop = context.WithCancel(context.WithoutCancel(ctx))
	c.running.Go(func() { c.beat(ctx) })
	return nil
}

// subscribe subscribes to the messages of all nodes.
func (c *Cluster) subscribe() error {
	for subject, handle := range map[string]nats.MsgHandler{
		"beat":        c.onBeat,
		"who":         c.onWho,
		"ephemeral":   c.onEphemeral,
		"connections": c.onConnections,
		"counts":      c.onCounts,
		"disconnect":  c.onDisconnect,
	} {
		s, err := c.o.Conn.Subscribe(c.subject(subject), c.recovering(handle))
		if err == nil {
			err = s.SetPendingLimits(maxPendingMessages, maxPendingBytes)
			c.subscriptions = append(c.subscriptions, s)
		}
		if err != nil {
			return fmt.Errorf("subscribe to the other nodes: %w", err)
		}
	}
	return nil
}

// meet asks all nodes for a beat, and waits a moment for the answers.
func (c *Cluster) meet(ctx context.Context) {
	if c.o.Conn.Publish(c.subject("who"), []byte{payloadVersion}) != nil {
		return // NATS cannot be reached
	}
	select {
	case <-ctx.Done():
	case <-time.After(joinWait):
	}
}

// NameTaken returns an error of kind ErrUnavailable while an older node has the name of this
// one. This node must not serve then.
func (c *Cluster) NameTaken() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	other, ok := c.nodes[c.o.Node]
	if !ok || !mayRun(&other) || !other.precedes(&c.self) {
		return nil
	}
	return notify.Unavailable(notify.CauseNodes, "another node has the name %s, started at %s; set BELLHOP_NODE to another name on each node",
		c.o.Node, other.Started.UTC().Format(time.RFC3339))
}

// Close leaves the cluster and waits until no handler is running. A last beat says so, so that the others do not wait
// for answers of this node.
func (c *Cluster) Close() error {
	c.stop()
	c.running.Wait()
	err := c.unsubscribe()
	n := c.node()
	n.Stopped = true
	c.publishBeat(&n) // nothing is sent by this node afterwards
	return err
}

// unsubscribe ends all subscriptions and waits until no handler is running.
func (c *Cluster) unsubscribe() error {
	var errs []error
	var draining sync.WaitGroup
	for _, s := range c.subscriptions {
		if !c.o.Conn.IsConnected() { // no handler can be called any more
			if err := s.Unsubscribe(); !errors.Is(err, nats.ErrConnectionClosed) {
				errs = append(errs, err)
			}
			continue
		}
		draining.Add(1)
		s.SetClosedHandler(func(string) { draining.Done() })
		if err := s.Drain(); err != nil {
			errs = append(errs, err)
		}
	}
	draining.Wait()
	c.subscriptions = nil
	return errors.Join(errs...)
}

// recovering keeps a panic in a handler from ending the process.
func (c *Cluster) recovering(handle nats.MsgHandler) nats.MsgHandler {
	return func(m *nats.Msg) {
		defer func() {
			if p := recover(); p != nil {
				c.o.Logger.Error("panic while handling a message of another node; the message is ignored", "subject", m.Subject, "panic", p)
			}
		}()
		handle(m)
	}
}

// beat publishes the state of this node once a second until ctx ends.
func (c *Cluster) beat(ctx context.Context) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		c.sendBeat()
		c.logNameTaken()
		c.checkReach()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// logNameTaken logs when another node has the name of this one, and when it no longer has.
func (c *Cluster) logNameTaken() {
	err := c.NameTaken()
	if was := c.nameTaken.Swap(err != nil); was == (err != nil) {
		return
	}
	if err != nil {
		c.o.Logger.Error("the name of this node is taken; the node is not ready", "error", err)
		return
	}
	c.o.Logger.Info("the name of this node is free again", "node", c.o.Node)
}

func (c *Cluster) sendBeat() {
	n := c.node()
	c.publishBeat(&n)
}

func (c *Cluster) publishBeat(n *Node) {
	_ = c.o.Conn.Publish(c.subject("beat"), appendBeat(nil, n)) // without a connection, the next one
}

// node returns this node with its state.
func (c *Cluster) node() Node {
	n := c.self
	n.State, n.Heard = c.o.State(), time.Now()
	return n
}

func (c *Cluster) onWho(*nats.Msg) { c.sendBeat() }

func (c *Cluster) onBeat(m *nats.Msg) {
	n, ok := readBeat(m.Data)
	if !ok {
		c.ignore(m)
		return
	}
	n.Heard = time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if n.Instance == c.self.Instance {
		c.announced.heardOwn(n.Heard)
		c.reach.heard.Store(true)
		return
	}
	before, known := c.nodes[n.Name]
	same := known && before.Instance == n.Instance
	switch {
	case known && !same && mayRun(&before) && before.precedes(&n):
		return // of two nodes with one name, the older one counts
	case n.Stopped && !same:
		return // it was not heard before, or is not the one that counts
	case n.Stopped:
		n.Lost = n.Heard
		c.o.Logger.Info("another node has stopped", "node", n.Name)
	case !same || !before.Lost.IsZero():
		c.o.Logger.Info("another node is running", "node", n.Name, "version", n.Version)
	}
	c.nodes[n.Name] = n
	if n.Name != c.o.Node { // a node with the name of this one does not serve, or this one does not
		c.announced.heard(n.Name, n.Rules, n.Heard)
	}
}

func isAlive(n *Node, within time.Duration) bool { return time.Since(n.Heard) < within }

// mayRun reports whether n was heard within five seconds, and has not said that it stops.
func mayRun(n *Node) bool { return !n.Stopped && isAlive(n, deadAfter) }

// Nodes returns this node and the others that it has heard, sorted by name. Those that have stopped or were not heard for
// five seconds are Lost, and are forgotten an hour later. While this node hears nobody, it cannot know which of the
// others run: those that were not lost before are Silent.
func (c *Cluster) Nodes() []Node {
	all := []Node{c.node()}
	all = append(all, c.heard()...)
	slices.SortFunc(all, func(a, b Node) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// others returns the other nodes that are not Lost.
func (c *Cluster) others() []Node {
	return slices.DeleteFunc(c.heard(), func(n Node) bool { return !n.Lost.IsZero() })
}

// heard returns the other nodes, and forgets those that were lost an hour ago.
func (c *Cluster) heard() []Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	deaf := time.Since(c.deaf) < deadAfter
	var found []Node
	for name, n := range c.nodes {
		switch {
		case !n.Lost.IsZero() && time.Since(n.Lost) >= forgetAfter:
			delete(c.nodes, name)
			continue
		case !n.Lost.IsZero() || mayRun(&n):
		case deaf:
			n.Silent = true
		default:
			c.o.Logger.Warn("a node is silent; it has stopped, or the network between the nodes has failed", "node", name)
			n.Lost = time.Now()
			c.nodes[name] = n
		}
		if name != c.o.Node {
			found = append(found, n)
		}
	}
	return found
}
