package app

import (
	"context"
	"errors"
	"runtime/debug"
	"time"

	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/peers"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/store"
)

// openState opens the store, the journal, the hub and the service, in this order. stop
// closes them in reverse.
func (s *node) openState(ctx context.Context) (stop func() error, err error) {
	open := s.openAlone
	if s.cluster != nil {
		open = s.openReplica
	}
	network, closeNetwork, err := open(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.store.Sweep(); err != nil {
		s.logger.Warn("files of an interrupted backup or restore cannot be removed", "error", err)
	}
	s.checkReserve()
	s.checkFiles(maxOpenFiles())
	s.checkClock()
	s.observe()
	// The journal outlives ctx, since it must still commit what is published before the last
	// request is answered.
	committing, stopCommits := context.WithCancel(context.WithoutCancel(ctx))
	s.commits.Go(func() {
		if err := s.journal.Run(committing); err != nil {
			s.failed <- err
		}
	})
	stop = func() error {
		stopCommits()
		s.commits.Wait()
		return errors.Join(closeNetwork(), s.store.Close())
	}
	if s.cluster != nil {
		err = s.cluster.caughtUp(ctx)
	}
	if err == nil {
		s.service, err = s.openService(ctx, network)
	}
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	return stop, nil
}

// network is the other nodes: their connections, and the choice of the one that runs upkeep.
type network interface {
	notify.Peers
	notify.Lease
}

// maxRules returns the latest version of the rules that this node applies.
func (s *node) maxRules() uint32 {
	if most := s.cfg.MaxRules; most > 0 && most < notify.RulesVersion {
		return uint32(most)
	}
	return notify.RulesVersion
}

// storeOptions are the options of the store, alone or in a cluster.
func (s *node) storeOptions() store.Options {
	return store.Options{
		Logger: s.logger, Metrics: s.metrics, Fatal: s.die, Generations: s.cursors.Add,
		Reserve: uint64(s.cfg.MinFree), //nolint:gosec // config refuses a negative one
	}
}

// openAlone opens the store and the journal of a node that has no others.
func (s *node) openAlone(context.Context) (network, func() error, error) {
	var err error
	if s.store, err = store.Open(s.cfg.DataDir, s.storeOptions()); err != nil {
		return nil, nil, err
	}
	s.journal = journal.NewLocal(journal.Options{
		State:    s.store,
		Last:     s.store.Last(),
		LastTime: s.store.LastTime(),
		Deliver:  s.deliver,
		Metrics:  s.metrics,
	})
	return peers.NewLocal(s.nodeName(), s.hub, s.deliver), func() error { return nil }, nil
}

// openService opens the service, which appends a generation. In a cluster that is tried again
// until it succeeds: the servers of the journal may be electing a leader.
func (s *node) openService(ctx context.Context, others network) (*service.Service, error) {
	rules := s.maxRules
	if s.cluster != nil {
		rules = s.cluster.peers.Rules
	}
	for {
		opened, err := service.Open(ctx, service.Options{
			Journal:    s.journal,
			Store:      s.store,
			Hub:        s.hub,
			Cursors:    s.cursors,
			Peers:      others,
			Lease:      others,
			Rules:      rules,
			Issuers:    s.verifier,
			Logger:     s.logger,
			Metrics:    s.metrics,
			Tracer:     s.tracer,
			Retention:  s.cfg.Retention,
			Keep:       s.cfg.PerUser,
			Broadcasts: s.limits.broadcasts,
			Publishes:  s.limits.publishes,
			Requests:   s.limits.requests,
			Marks:      s.limits.marks,
			MaxBytes:   s.cfg.MaxBytes,
			Reserve:    uint64(s.cfg.MinFree), //nolint:gosec // config refuses a negative one
			PingEvery:  pingEvery,
		})
		isTemporary := errors.Is(err, notify.ErrUnavailable) || errors.Is(err, notify.ErrOutcomeUnknown)
		if s.cluster == nil || !isTemporary || ctx.Err() != nil {
			return opened, err
		}
		s.logger.Warn("the journal does not accept entries yet; trying again", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(retryEvery):
		}
	}
}

// newHub returns the hub. Its callbacks use the service, which is opened before anything
// connects.
func (s *node) newHub() *hub.Hub {
	l := s.hubLimits(s.cfg)
	return hub.New(hub.Options{
		Connections: l.Connections,
		PerAddress:  l.PerAddress,
		PerUser:     l.PerUser,
		QueueLen:    l.QueueLen,
		QueueBytes:  l.QueueBytes,
		QueuedBytes: l.QueuedBytes,
		PingEvery:   pingEvery,
		Leeway:      notify.Leeway,
		Count:       func(r notify.Reader, upTo notify.Sequence) (notify.Counts, bool) { return s.service.Count(r, upTo) },
		Written:     func(u notify.UserID, n *notify.Notification) { s.service.Written(u, n) },
		Withdrawals: s.verifier.Withdrawals,
		Metrics:     s.metrics,
		Logger:      s.logger,
	})
}

// queuedBytes returns the limit on the size of all send queues; 0: none.
func (s *node) queuedBytes(cfg *config.Config) int64 {
	return s.memory.queued(cfg.QueuedBytes, cfg.QueueBytes)
}

func (s *node) hubLimits(cfg *config.Config) hub.Limits {
	return hub.Limits{
		Connections: s.maxConnectionsOf(cfg),
		PerAddress:  cfg.ConnectionsPerAddress,
		PerUser:     cfg.ConnectionsPerUser,
		QueueLen:    cfg.QueueLength,
		QueueBytes:  int(cfg.QueueBytes),
		QueuedBytes: int(s.queuedBytes(cfg)),
	}
}

// deliver passes a change on to the connections. Before the node serves, there are none. A
// panic must not end the process, and no connection may miss the change: all of them are
// closed, and resume from their cursors.
func (s *node) deliver(c notify.Change) {
	if !s.serving.Load() {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			s.logger.Error("panic while delivering; all connections are closed and resume from their cursors",
				"panic", p, "stack", string(debug.Stack()))
			s.hub.EndAll(notify.CloseInternal)
		}
	}()
	s.service.Deliver(c)
}

// checkReserve logs an error if the disk is smaller than the reserve that publishing needs.
func (s *node) checkReserve() {
	size, err := s.store.DiskSize()
	if err == nil && uint64(s.cfg.MinFree) >= size { //nolint:gosec // config refuses a negative one
		s.logger.Error("BELLHOP_MIN_FREE_BYTES is more than the whole disk: nothing can be published",
			"data_dir", s.cfg.DataDir, "disk_bytes", size, "min_free_bytes", s.cfg.MinFree)
	}
}

// checkFiles warns if the limit on open files has no space for all connections and for
// what is reserved.
func (s *node) checkFiles(limit int) {
	if connections := s.maxConnections(); limit > 0 && connections+reservedFiles > limit {
		s.logger.Warn("the limit on open files is low; set ulimit -n to the number of connections plus 800",
			"limit", limit, "max_connections", connections)
	}
}

// checkClock warns if the clock of the machine is behind the last entry by more than a
// restart and a correction by NTP explain.
func (s *node) checkClock() {
	if ahead := time.Until(s.store.LastTime()); ahead > time.Minute {
		s.logger.Warn("the clock is behind the newest stored entry; check the clock. "+
			"Until it has caught up, new notifications get the time of that entry", "behind", ahead.String())
	}
}
