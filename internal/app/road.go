package app

import (
	"context"
	"errors"
	"os"
	"runtime/debug"
	"time"

	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/peers"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/store"
	"github.com/bellhop/bellhop/internal/telemetry"
)

// openRoad opens the store, the journal, the hub and the inbox, in this order,
// and returns what closes them in reverse.
func (s *node) openRoad(ctx context.Context) (stop func() error, err error) {
	s.cursors = cursor.NewKeyring()
	s.store, err = store.Open(s.cfg.DataDir, store.Options{Logger: s.logger, Fatal: s.die, Generations: s.cursors.Add})
	if err != nil {
		return nil, err
	}
	s.checkReserve()
	s.checkClock()
	s.metrics.Observe(s.storeSamples)
	if s.log != nil {
		s.metrics.Observe(s.log.Samples)
	}
	s.requests = requestRates(s.cfg)
	s.hub = s.newHub()
	s.metrics.Observe(s.hubSamples)
	s.journal = journal.NewLocal(journal.Options{
		State:    s.store,
		Last:     s.store.Last(),
		LastTime: s.store.LastTime(),
		Deliver:  s.deliver,
		Metrics:  s.metrics,
	})
	// The journal outlives ctx: what is published until the last request is
	// answered must still be committed.
	committing, stopCommits := context.WithCancel(context.WithoutCancel(ctx))
	s.commits.Go(func() {
		if err := s.journal.Run(committing); err != nil {
			s.failed <- err
		}
	})
	stop = func() error {
		stopCommits()
		s.commits.Wait()
		return s.store.Close()
	}
	alone := peers.NewLocal(s.nodeName(), s.hub, s.deliver)
	s.service, err = service.Open(ctx, service.Options{
		Journal:    s.journal,
		Store:      s.store,
		Hub:        s.hub,
		Cursors:    s.cursors,
		Peers:      alone,
		Lease:      alone,
		Issuers:    s.verifier,
		Logger:     s.logger,
		Metrics:    s.metrics,
		Retention:  s.cfg.Retention,
		Keep:       s.cfg.PerUser,
		Broadcasts: perSecond("broadcasts", s.cfg.Broadcasts),
		Publishes:  perSecond("publishes", s.cfg.Publishes),
		Requests:   s.requests,
		Marks:      limit.New(notify.Rate{Name: "notifications marked", Quota: s.cfg.Marks, Window: 10 * time.Second}, 0),
		MaxBytes:   s.cfg.MaxBytes,
		Reserve:    uint64(s.cfg.MinFree), //nolint:gosec // config refuses a negative one
		PingEvery:  pingEvery,
	})
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	return stop, nil
}

// newHub returns the hub, whose callbacks ask the inbox: there is one before anything
// connects.
func (s *node) newHub() *hub.Hub {
	return hub.New(hub.Options{
		Connections: s.connectionsMost(),
		PerAddress:  s.cfg.ConnectionsPerAddress,
		PerUser:     s.cfg.ConnectionsPerUser,
		QueueLen:    s.cfg.QueueLength,
		QueueBytes:  int(s.cfg.QueueBytes),
		QueuedBytes: int(s.memory.queued(s.cfg.QueuedBytes, s.cfg.QueueBytes)),
		PingEvery:   pingEvery,
		Leeway:      notify.Leeway,
		Unread:      func(r notify.Reader, upTo notify.Sequence) (int, bool) { return s.service.Unread(r, upTo) },
		Withdrawals: s.verifier.Withdrawals,
		Metrics:     s.metrics,
		Logger:      s.logger,
	})
}

// deliver passes a change on to the connections. A panic must not end the process,
// and those to whom the change was not passed on must not miss it: all connections
// end and resume from their cursors, out of the store.
func (s *node) deliver(c notify.Change) {
	defer func() {
		if p := recover(); p != nil {
			s.logger.Error("panic while delivering; all connections are closed and resume from their cursors",
				"panic", p, "stack", string(debug.Stack()))
			s.hub.EndAll(notify.CloseInternal)
		}
	}()
	s.service.Deliver(c) // there is one before anything is published
}

// checkReserve says so if the disk could never have as much free as publishing needs.
func (s *node) checkReserve() {
	size, err := s.store.DiskSize()
	if err == nil && uint64(s.cfg.MinFree) >= size { //nolint:gosec // config refuses a negative one
		s.logger.Error("BELLHOP_MIN_FREE_BYTES is more than the whole disk: nothing can be published",
			"data_dir", s.cfg.DataDir, "disk_bytes", size, "min_free_bytes", s.cfg.MinFree)
	}
}

// checkClock warns if the clock of the machine is behind the last entry by more than a
// restart and a correction by NTP explain.
func (s *node) checkClock() {
	if ahead := time.Until(s.store.LastTime()); ahead > time.Minute {
		s.logger.Warn("the clock is behind the last stored entry: was it ahead before? "+
			"New notifications get later times than the clock's until it has caught up", "behind", ahead.String())
	}
}

// die ends the process when its disk cannot be trusted: what is in memory may
// not be what is stored, and a restart reads what is.
func (s *node) die(err error) {
	s.logger.Error("ending at once", "error", err)
	if s.log != nil {
		s.log.Flush()
	}
	os.Exit(1) //nolint:forbidigo // Pebble's Fatalf must not return, and what runs must not go on
}

func (s *node) hubSamples() []telemetry.Sample {
	const help = "Size of the send queues of all connections; BELLHOP_QUEUED_BYTES limits it."
	return []telemetry.Sample{{Name: "bellhop_queued_bytes", Help: help, Value: float64(s.hub.Queued())}}
}

func (s *node) storeSamples() []telemetry.Sample {
	stats, usage := s.store.Stats(), s.store.Usage()
	return []telemetry.Sample{
		{Name: "bellhop_store_disk_bytes", Help: "Size of the store on the disk.", Value: float64(stats.DiskBytes)},
		{Name: "bellhop_store_memtable_bytes", Help: "Size of what is not flushed yet.", Value: float64(stats.MemTableBytes)},
		{Name: "bellhop_store_cache_bytes", Help: "Size of the block cache.", Value: float64(stats.CacheBytes)},
		{Name: "bellhop_store_cache_hits_total", Help: "Blocks found in the cache.", Value: float64(stats.CacheHits), Counter: true},
		{Name: "bellhop_store_cache_misses_total", Help: "Blocks read from the disk.", Value: float64(stats.CacheMisses), Counter: true},
		{Name: "bellhop_store_log_bytes_total", Help: "Bytes written to the write-ahead log.", Value: float64(stats.WALBytes), Counter: true},
		{Name: "bellhop_store_compactions_total", Help: "Compactions done.", Value: float64(stats.Compactions), Counter: true},
		{Name: "bellhop_store_read_amplification", Help: "Levels that a read may have to look at.", Value: float64(stats.ReadAmplification)},
		{Name: "bellhop_store_notification_bytes", Help: "Keys and values of the notifications that are kept, before compression.", Value: float64(usage.Notifications)},
		{Name: "bellhop_store_other_bytes", Help: "Keys and values of all else that is kept: idempotency keys, names, deferred publishes and so on.", Value: float64(usage.Other)},
		{Name: "bellhop_store_lost_entries", Help: "Entries that were stored once and were found missing at a start.", Value: float64(s.store.Lost())},
		{Name: "bellhop_journal_sequence", Help: "The last durable sequence.", Value: float64(s.journal.Durable())},
	}
}
