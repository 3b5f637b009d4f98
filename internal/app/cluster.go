package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellhop/bellhop/internal/httpapi"
	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/peers"
	"github.com/bellhop/bellhop/internal/telemetry"
)

// membership has the parts of a node that only a cluster has.
type membership struct {
	node    *node
	replica *replica
	peers   *peers.Cluster
	monitor *journal.Monitor // nil: the servers are not monitored
	journal atomic.Pointer[journal.Cluster]
	writer  *checkpointer // set by startUpkeep
	close   func()        // closes the connection to NATS
	open    func(journal.ClusterOptions) (*journal.Cluster, error)

	watching sync.WaitGroup // watch
}

// connectCluster connects to NATS, and connects again by itself from then on. An error is a
// mistake in the settings: the servers need not be reachable.
func (s *node) connectCluster() error {
	cfg, name := s.cfg, s.nodeName()
	conn, closeConn, err := journal.Connect(journal.ConnOptions{
		URLs: cfg.NATSURL, CredentialsFile: cfg.NATSCredentialsFile, CAFile: cfg.NATSCAFile, Node: name, Logger: s.logger,
	})
	if err != nil {
		return &SettingsError{err}
	}
	stream := journal.StreamOptions{Conn: conn, Name: cfg.NATSStream, Replicas: cfg.Replicas}
	checkpoints, err := journal.NewCheckpoints(conn, journal.CheckpointOptions{Stream: cfg.NATSStream, Replicas: cfg.Replicas, Logger: s.logger})
	if err != nil {
		closeConn()
		return err
	}
	c := &membership{node: s, close: closeConn, replica: s.replicaOf(stream, checkpoints)}
	c.open = func(o journal.ClusterOptions) (*journal.Cluster, error) {
		o.Conn, o.Stream, o.Replicas, o.Node = conn, cfg.NATSStream, cfg.Replicas, name
		return journal.NewCluster(o)
	}
	c.peers = peers.NewCluster(peers.ClusterOptions{
		Conn:    conn,
		Stream:  cfg.NATSStream,
		Node:    name,
		Version: telemetry.ReadBuild().Version,
		Rules:   s.maxRules(),
		Hub:     s.hub,
		Deliver: s.deliver,
		State:   c.state,
		Logger:  s.logger,
	})
	if len(cfg.NATSMonitor) > 0 {
		c.monitor = journal.NewMonitor(cfg.NATSMonitor, s.logger)
		s.metrics.Observe(c.serverSamples)
	}
	s.cluster = c
	s.metrics.Observe(c.nodeSamples)
	return nil
}

// replicaOf returns what opens the copy of a stream on this node.
func (s *node) replicaOf(stream journal.StreamOptions, checkpoints *journal.Checkpoints) *replica {
	conn := stream.Conn
	return &replica{
		dir: s.cfg.DataDir,
		openStream: func(ctx context.Context, mustExist bool) (journal.StreamInfo, error) {
			named := stream
			named.MustExist = mustExist
			return journal.OpenStream(ctx, named)
		},
		checkpoints: checkpoints,
		permitted:   journal.NewPermissions(conn, stream.Name, peers.SubjectPrefix(stream.Name)).Check,
		leave: func() {
			if conn.IsConnected() {
				s.logger.Warn("the journal cannot be reached; connecting to another NATS server", "server", conn.ConnectedUrlRedacted())
				_ = conn.ForceReconnect() // it is connecting anyhow
			}
		},
		logger: s.logger,
	}
}

// openReplica opens the store and the journal of a node of a cluster. It waits until the store
// can follow the journal.
func (s *node) openReplica(ctx context.Context) (network, func() error, error) {
	c := s.cluster
	if err := c.peers.Join(ctx); err != nil {
		c.close()
		return nil, nil, err
	}
	watching, stopWatching := context.WithCancel(context.WithoutCancel(ctx))
	closeNetwork := func() error {
		stopWatching()
		c.watching.Wait()
		err := c.peers.Close()
		c.close()
		return err
	}
	err := waitFor(ctx, s.failed, c.peers.NameTaken)
	if err == nil {
		s.store, err = c.replica.open(ctx, s.storeOptions())
	}
	if err != nil {
		return nil, nil, errors.Join(err, closeNetwork())
	}
	j, err := c.open(journal.ClusterOptions{
		State:    s.store,
		Position: s.store.Position(),
		Last:     s.store.Last(),
		Deliver:  s.deliver,
		CutOff:   func(error) { s.hub.EndAll(notify.CloseOverloaded) },
		Metrics:  s.metrics,
		Logger:   s.logger,
	})
	if err != nil {
		return nil, nil, errors.Join(err, closeNetwork(), s.store.Close())
	}
	s.journal = j
	c.journal.Store(j)
	c.watching.Go(func() { c.watch(watching) })
	return c.peers, closeNetwork, nil
}

// caughtUp waits until this node has applied the entries of the journal.
func (c *membership) caughtUp(ctx context.Context) error {
	return waitFor(ctx, c.node.failed, func() error { return c.journal.Load().Ready() })
}

// waitFor waits until ready returns nil. It returns an error if ctx ends or a part fails.
func waitFor(ctx context.Context, failed <-chan error, ready func() error) error {
	tick := time.NewTicker(retryEvery / 10)
	defer tick.Stop()
	for ready() != nil {
		select {
		case <-ctx.Done():
			return ctx.Err() //nolint:wrapcheck // interrupted, and nothing more
		case err := <-failed:
			return err
		case <-tick.C:
		}
	}
	return nil
}

// waiting returns why this node cannot serve yet.
func (c *membership) waiting() error {
	if err := c.peers.NameTaken(); err != nil {
		return err
	}
	if err := c.replica.ready(); err != nil {
		return err
	}
	if j := c.journal.Load(); j != nil {
		if err := j.Ready(); err != nil {
			return err
		}
	}
	return notify.Unavailable(notify.CauseStarting, "this node is starting")
}

// ready returns nil if nothing that only a cluster has is missing.
func (c *membership) ready() error {
	if err := c.peers.Ready(); err != nil || c.monitor == nil {
		return err
	}
	return c.monitor.Ready()
}

// run monitors the servers and writes checkpoints, until ctx ends.
func (c *membership) run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	if c.monitor != nil {
		running.Go(func() { c.monitor.Run(ctx) })
	}
	c.node.metrics.Observe(c.writer.samples)
	c.writer.run(ctx)
}

// lacks returns an error with the name of a ready node that has not applied all messages of a checkpoint yet.
func (c *membership) lacks(cp *journal.Checkpoint) error { return lackedBy(c.peers.Nodes(), cp) }

// lackedBy is lacks among nodes. A node with all entries may still lack messages without entries, and has to start
// again if these are deleted.
func lackedBy(nodes []peers.Node, cp *journal.Checkpoint) error {
	for i := range nodes {
		n := &nodes[i]
		if faultOf(n) == "" && (n.Sequence < cp.Sequence || n.Message > 0 && n.Message < cp.Position) {
			return fmt.Errorf("the node %s has not applied sequence %d and message %d yet", n.Name, cp.Sequence, cp.Position)
		}
	}
	return nil
}

// state returns the state of this node for the others.
func (c *membership) state() (s peers.State) {
	if j := c.journal.Load(); j != nil {
		s = stateOf(j)
	}
	if err := c.node.ready(); err != nil {
		s.Fault = detailOf(err)
	}
	s.Connections = c.node.hub.Count()
	return s
}

// stateOf returns the part of the state of this node that its journal knows.
func stateOf(j *journal.Cluster) peers.State {
	status := j.Status()
	return peers.State{
		Sequence: status.Sequence, Message: j.Position().Message, Lag: status.Lag, CutOff: status.CutOff,
		Diverged:  errors.Is(status.Stopped, journal.ErrDiverged),
		Witnessed: status.Witness.Sequence, Agree: len(status.Witness.Agree), Contradict: len(status.Witness.Contradict),
	}
}

// detailOf returns the text of an error for operators, without its kind.
func detailOf(err error) string {
	if e, ok := errors.AsType[*notify.Error](err); ok {
		return e.Detail
	}
	return err.Error()
}

// faultOf returns why a node is not ready, as far as this node knows; empty: it is ready.
func faultOf(n *peers.Node) string {
	heard := n.Heard.UTC().Format(time.TimeOnly) + " UTC"
	switch {
	case n.Silent:
		return "unknown: not heard of since " + heard + ", because the asked node is cut off"
	case n.Stopped:
		return fmt.Sprintf("stopped at %s, %s ago", heard, ago(n))
	case !n.Lost.IsZero():
		return fmt.Sprintf("lost: not heard of since %s, for %s", heard, ago(n))
	}
	return n.Fault
}

// ago returns the time since a node was heard.
func ago(n *peers.Node) time.Duration { return time.Since(n.Heard).Round(time.Second) }

// saysNothing reports whether the state of a node is not the one that it has now.
func saysNothing(n *peers.Node) bool { return n.Silent || !n.Lost.IsZero() }

// lagOf returns the lag of a node in seconds, nil if it is not known.
func lagOf(n *peers.Node) *float64 {
	if saysNothing(n) || n.CutOff {
		return nil
	}
	lag := n.Lag.Seconds()
	return &lag
}

// connectionsOf returns the number of open connections of a node, nil if it is not known: the node may be of an earlier
// version.
func connectionsOf(n *peers.Node) *int {
	if saysNothing(n) || n.Connections < 0 {
		return nil
	}
	return &n.Connections
}

// clusterStatus returns the function that describes the cluster to operators, nil if this node
// has no others.
func (s *node) clusterStatus() func(context.Context) httpapi.ClusterStatus {
	if s.cluster == nil {
		return nil
	}
	return s.cluster.status
}

// status describes the cluster as this node sees it.
func (c *membership) status(ctx context.Context) httpapi.ClusterStatus {
	j := c.journal.Load()
	own := j.Status()
	status := httpapi.ClusterStatus{Node: c.node.nodeName(), Server: own.Server, Message: own.Position.Message}
	for _, n := range c.peers.Nodes() {
		hash := "unknown"
		switch {
		case n.Diverged:
			hash = "diverged"
		case n.Witnessed > 0:
			hash = fmt.Sprintf("%d agree, %d contradict at sequence %d", n.Agree, n.Contradict, n.Witnessed)
		}
		status.Nodes = append(status.Nodes, httpapi.ClusterNode{
			Name: n.Name, Version: n.Version, Started: n.Started.UTC(), Sequence: n.Sequence, Lag: lagOf(&n),
			Connections: connectionsOf(&n), Ready: faultOf(&n) == "", Reason: faultOf(&n), Hash: hash,
			Heard: n.Heard.UTC(), Lost: !n.Lost.IsZero(),
		})
	}
	var problems []string
	if err := c.peers.CutOff(); err != nil {
		problems = append(problems, detailOf(err))
	}
	if info, err := c.replica.openStream(ctx, true); err != nil {
		problems = append(problems, "the stream cannot be read: "+err.Error())
	} else {
		status.Stream = &httpapi.ClusterStream{
			Name: c.node.cfg.NATSStream, Identity: info.Journal, Leader: info.Leader, Replicas: info.Replicas, Current: info.Current,
			First: info.First, Last: info.Last, Bytes: info.Bytes, MaxBytes: info.MaxBytes,
		}
		if all, err := c.replica.checkpoints.List(ctx, info.Journal); err != nil {
			problems = append(problems, "the checkpoints cannot be listed: "+err.Error())
		} else if len(all) > 0 {
			newest := describe(all[0])
			status.Checkpoint = &newest
		}
	}
	status.Problem = strings.Join(problems, "; ")
	return status
}
