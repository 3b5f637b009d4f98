package app

import (
	"time"

	"github.com/bellhop/bellhop/internal/telemetry"
)

// issuerSamples are the metrics of the keys of each configured issuer.
func (s *node) issuerSamples() []telemetry.Sample {
	var all []telemetry.Sample
	for _, i := range s.verifier.Issuers() {
		add := func(name, help string, value float64, isCounter bool) {
			all = append(all, telemetry.Sample{
				Name: name, Help: help, Value: value, Counter: isCounter, Label: "issuer", LabelValue: i.Issuer,
			})
		}
		add("bellhop_issuer_keys", "Number of keys of an issuer that are in force.", float64(i.Keys), false)
		if i.Attempted.IsZero() {
			continue // its keys are in the settings
		}
		add("bellhop_issuer_key_load_failures_total", "Attempts to load an issuer's keys that failed.", float64(i.Failures), true)
		add("bellhop_issuer_key_load_last_attempt_timestamp_seconds", "Time of the last attempt to load an issuer's keys.", seconds(i.Attempted), false)
		add("bellhop_issuer_key_load_last_success_timestamp_seconds", "Time at which an issuer's keys were last loaded; 0: never.", seconds(i.Loaded), false)
	}
	return all
}

// fileSamples are the metrics of the files that are watched.
func (s *node) fileSamples() []telemetry.Sample {
	files := s.verifier.Files()
	if s.certificate != nil {
		files["tls_certificate"] = s.certificate.pair.Status()
	}
	var all []telemetry.Sample
	for name, status := range files {
		failing := 0.0
		if status.Err != nil {
			failing = 1
		}
		all = append(all,
			telemetry.Sample{
				Name: "bellhop_file_load_failing", Help: "1 if the content of a file cannot be used and an older one is in force.",
				Value: failing, Label: "file", LabelValue: name,
			},
			telemetry.Sample{
				Name: "bellhop_file_load_last_success_timestamp_seconds", Help: "Time at which the content of a file was last found to be valid.",
				Value: seconds(status.Loaded), Label: "file", LabelValue: name,
			})
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

func (s *node) hubSamples() []telemetry.Sample {
	const help = "Size of the send queues of all connections; BELLHOP_QUEUED_BYTES limits it."
	return []telemetry.Sample{{Name: "bellhop_queued_bytes", Help: help, Value: float64(s.hub.Queued())}}
}

func (s *node) storeSamples() []telemetry.Sample {
	stats, usage := s.store.Stats(), s.store.Usage()
	return []telemetry.Sample{
		{Name: "bellhop_store_disk_bytes", Help: "Size of the store on the disk.", Value: float64(stats.DiskBytes)},
		{Name: "bellhop_store_memtable_bytes", Help: "Size of the memtables: entries that are not flushed to tables yet.", Value: float64(stats.MemTableBytes)},
		{Name: "bellhop_store_cache_bytes", Help: "Size of the block cache.", Value: float64(stats.CacheBytes)},
		{Name: "bellhop_store_cache_hits_total", Help: "Blocks found in the cache.", Value: float64(stats.CacheHits), Counter: true},
		{Name: "bellhop_store_cache_misses_total", Help: "Blocks read from the disk.", Value: float64(stats.CacheMisses), Counter: true},
		{Name: "bellhop_store_log_bytes_total", Help: "Bytes written to the write-ahead log.", Value: float64(stats.WALBytes), Counter: true},
		{Name: "bellhop_store_compactions_total", Help: "Compactions done.", Value: float64(stats.Compactions), Counter: true},
		{Name: "bellhop_store_read_amplification", Help: "Number of levels that a read may have to search.", Value: float64(stats.ReadAmplification)},
		{Name: "bellhop_store_notification_bytes", Help: "Size of the kept notifications, before compression.", Value: float64(usage.Notifications)},
		{Name: "bellhop_store_removal_bytes", Help: "Size of what is remembered of removed notifications, before compression.", Value: float64(usage.Removals)},
		{Name: "bellhop_store_other_bytes", Help: "Size of everything else that is kept, before compression: idempotency keys, names, deferred publishes and so on.", Value: float64(usage.Other)},
		{Name: "bellhop_store_lost_entries", Help: "Entries that were stored once and were found missing at a start.", Value: float64(s.store.Lost())},
		{Name: "bellhop_journal_sequence", Help: "The last durable sequence.", Value: float64(s.journal.Durable())},
	}
}
