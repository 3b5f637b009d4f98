package app

import (
	"errors"
	"time"

	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/telemetry"
)

// observeEarly adds the metrics that are known before the store is open: a node of a cluster has
// these while it waits.
func (s *node) observeEarly() {
	s.metrics.Observe(s.stateSamples)
	s.metrics.Observe(s.conns.samples)
	if s.log != nil {
		s.metrics.Observe(s.log.Samples)
	}
}

// observe adds the metrics that the open parts keep.
func (s *node) observe() {
	s.metrics.Observe(s.storeSamples)
	s.metrics.Observe(s.contentSamples)
	s.metrics.Observe(s.diskSamples)
	if s.cluster != nil {
		s.metrics.Observe(s.cluster.journalSamples)
	}
}

// issuerSamples are the metrics of the keys of each configured issuer.
func (s *node) issuerSamples() []telemetry.Sample {
	var all []telemetry.Sample
	for _, i := range s.verifier.Issuers() {
		add := func(name string, value float64) {
			all = append(all, telemetry.Sample{Name: name, Value: value, LabelValue: i.Issuer})
		}
		add("bellhop_issuer_keys", float64(i.Keys))
		add("bellhop_issuer_key_change_timestamp_seconds", seconds(i.Changed))
		if i.Attempted.IsZero() {
			continue // its keys are in the settings, and are not loaded
		}
		add("bellhop_issuer_key_load_failures_total", float64(i.Failures))
		add("bellhop_issuer_key_load_last_attempt_timestamp_seconds", seconds(i.Attempted))
		add("bellhop_issuer_key_load_last_success_timestamp_seconds", seconds(i.Loaded))
	}
	return all
}

// fileSamples are the metrics of the files that are watched.
func (s *node) fileSamples() []telemetry.Sample {
	var all []telemetry.Sample
	files := s.verifier.Files()
	if s.certificate != nil {
		files["tls_certificate"] = s.certificate.pair.Status()
		all = append(all, telemetry.Sample{Name: "bellhop_tls_certificate_expiry_timestamp_seconds", Value: seconds(s.certificate.expiry())})
	}
	if s.serving.Load() && s.settings != nil {
		files["settings"] = s.settings.Status()
	}
	for name, status := range files {
		add := func(metric string, value float64) {
			all = append(all, telemetry.Sample{Name: metric, Value: value, LabelValue: name})
		}
		add("bellhop_file_load_failing", oneIf(status.Err != nil))
		add("bellhop_file_load_last_success_timestamp_seconds", seconds(status.Loaded))
		add("bellhop_file_load_failures_total", float64(status.Failures))
		add("bellhop_file_reloads_total", float64(status.Reloads))
	}
	return all
}

// seconds returns t in seconds since 1970, as Prometheus expects; 0 for the zero time.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1_000
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// stateSamples are the metrics of this node's readiness, and of its shared limits.
func (s *node) stateSamples() []telemetry.Sample {
	return []telemetry.Sample{
		{Name: "bellhop_ready", Value: oneIf(s.ready() == nil)},
		{Name: "bellhop_connections_limit", Value: float64(s.maxConnectionsOf(s.live.now.Load()))},
		{Name: "bellhop_queued_bytes", Value: float64(s.hub.Queued())},
		{Name: "bellhop_queued_bytes_limit", Value: float64(s.queuedBytes(s.live.now.Load()))},
	}
}

func (s *node) storeSamples() []telemetry.Sample {
	stats := s.store.Stats()
	return []telemetry.Sample{
		{Name: "bellhop_store_disk_bytes", Value: float64(stats.DiskBytes)},
		{Name: "bellhop_store_memtable_bytes", Value: float64(stats.MemTableBytes)},
		{Name: "bellhop_store_cache_bytes", Value: float64(stats.CacheBytes)},
		{Name: "bellhop_store_cache_hits_total", Value: float64(stats.CacheHits)},
		{Name: "bellhop_store_cache_misses_total", Value: float64(stats.CacheMisses)},
		{Name: "bellhop_store_log_bytes_total", Value: float64(stats.WALBytes)},
		{Name: "bellhop_store_compactions_total", Value: float64(stats.Compactions)},
		{Name: "bellhop_store_read_amplification", Value: float64(stats.ReadAmplification)},
		{Name: "bellhop_store_limit_bytes", Value: float64(s.cfg.MaxBytes)},
		{Name: "bellhop_store_lost_entries", Value: float64(s.store.Lost())},
		{Name: "bellhop_store_failing", Value: oneIf(s.store.Err() != nil)},
		{Name: "bellhop_journal_sequence", Value: float64(s.journal.Durable())},
	}
}

// contentSamples are the sizes of what the store keeps.
func (s *node) contentSamples() []telemetry.Sample {
	usage := s.store.Usage()
	of := func(content string, bytes uint64) telemetry.Sample {
		return telemetry.Sample{Name: "bellhop_store_bytes", LabelValue: content, Value: float64(bytes)}
	}
	all := []telemetry.Sample{of("notifications", usage.Notifications), of("removals", usage.Removals)}
	for content, bytes := range usage.Sizes.All() {
		all = append(all, of(content, bytes))
	}
	return all
}

// diskSamples are the metrics of the disk. There are none while it cannot be asked.
func (s *node) diskSamples() []telemetry.Sample {
	all := []telemetry.Sample{{Name: "bellhop_disk_reserve_bytes", Value: float64(s.cfg.MinFree)}}
	if free, err := s.store.Free(); err == nil {
		all = append(all, telemetry.Sample{Name: "bellhop_disk_free_bytes", Value: float64(free)})
	}
	if size, err := s.store.DiskSize(); err == nil {
		all = append(all, telemetry.Sample{Name: "bellhop_disk_size_bytes", Value: float64(size)})
	}
	return all
}

// nodeSamples are the metrics of the nodes of a cluster.
func (c *membership) nodeSamples() []telemetry.Sample {
	alive, ready := 0, 0
	for _, n := range c.peers.Nodes() {
		if saysNothing(&n) {
			continue
		}
		alive++
		if n.Fault == "" {
			ready++
		}
	}
	return []telemetry.Sample{
		{Name: "bellhop_cluster_nodes", Value: float64(alive)},
		{Name: "bellhop_cluster_ready_nodes", Value: float64(ready)},
	}
}

// serverSamples are the metrics of the NATS servers, once they were checked.
func (c *membership) serverSamples() []telemetry.Sample {
	found, ok := c.monitor.Servers()
	if !ok {
		return nil
	}
	of := func(state string, number int) telemetry.Sample {
		return telemetry.Sample{Name: "bellhop_nats_servers", LabelValue: state, Value: float64(number)}
	}
	return []telemetry.Sample{of("synced", found.Synced), of("unsynced", found.Unsynced), of("unreachable", found.Unreachable)}
}

// journalSamples are the metrics of the open journal of a cluster.
func (c *membership) journalSamples() []telemetry.Sample {
	status := c.journal.Load().Status()
	all := []telemetry.Sample{
		{Name: "bellhop_journal_message", Value: float64(status.Position.Message)},
		{Name: "bellhop_journal_stopped", Value: oneIf(status.Stopped != nil)},
		{Name: "bellhop_journal_clock_ahead_seconds", Value: status.Ahead.Seconds()},
		{Name: "bellhop_journal_hash_diverged", Value: oneIf(errors.Is(status.Stopped, journal.ErrDiverged))},
		{Name: "bellhop_journal_hash_sequence", Value: float64(status.Witness.Sequence)},
		{Name: "bellhop_journal_hash_agreeing_nodes", Value: float64(len(status.Witness.Agree))},
		{Name: "bellhop_journal_hash_contradicting_nodes", Value: float64(len(status.Witness.Contradict))},
		{Name: "bellhop_journal_skipped_entries_total", LabelValue: "foreign", Value: float64(status.Foreign)},
		{Name: "bellhop_journal_skipped_entries_total", LabelValue: "newer", Value: float64(status.Newer)},
	}
	if !status.CutOff {
		all = append(all, telemetry.Sample{Name: "bellhop_journal_lag_seconds", Value: status.Lag.Seconds()})
	}
	return all
}
