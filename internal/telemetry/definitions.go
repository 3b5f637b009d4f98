package telemetry

import "github.com/prometheus/client_golang/prometheus"

// sections returns the definitions of all metrics.
func sections() []section {
	return []section{
		{"Process", processMetrics()},
		{"Connections", connectionMetrics()},
		{"Requests and publishes", requestMetrics()},
		{"Journal and store", storeMetrics()},
		{"Upkeep and backups", upkeepMetrics()},
		{"Keys, files and certificates", accessMetrics()},
		{"Cluster", clusterMetrics()},
	}
}

// durations are the bounds of buckets from 100 µs to 13 s.
func durations() []float64 { return prometheus.ExponentialBuckets(0.000_1, 2, 18) }

func processMetrics() []definition {
	return []definition{
		{name: "bellhop_build_info", kind: isGauge, labels: []string{"version", "revision", "go_version"}, help: "Version of the running program; always 1."},
		{name: "bellhop_ready", kind: isGauge, help: "1 if /readyz answers 200, else 0: then /readyz and the log have the reason."},
		{name: "bellhop_log_lines_dropped_total", kind: isCounter, help: "Log lines dropped because the log was not read or could not be written."},
		{name: "bellhop_log_lines_repeated_total", kind: isCounter, help: "Log lines counted instead of written because an equal line was written in the last 10 seconds."},
	}
}

func connectionMetrics() []definition {
	return []definition{
		{name: "bellhop_connections", kind: isGauge, labels: []string{"transport"}, help: "Open connections, by transport: websocket or events."},
		{name: "bellhop_connections_limit", kind: isGauge, help: "Most connections that may be open; 0: no limit is known."},
		{name: "bellhop_connections_opened_total", kind: isCounter, labels: []string{"transport"}, help: "Connections opened, by transport."},
		{name: "bellhop_connections_closed_total", kind: isCounter, labels: []string{"code", "reason"}, help: "Connections closed, by close code and reason."},
		{name: "bellhop_deliveries_total", kind: isCounter, help: "Events written to connections."},
		{
			name: "bellhop_delivery_duration_seconds", kind: isHistogram, buckets: durations(),
			help: "Time from the entry of a notification in the journal until it was written to a connection. One write in 16 is measured; replays are not.",
		},
		{name: "bellhop_drops_total", kind: isCounter, labels: []string{"reason"}, help: "Events queued but not written because the connection was closed, by close reason."},
		{name: "bellhop_queued_bytes", kind: isGauge, help: "Size of the send queues of all connections."},
		{name: "bellhop_queued_bytes_limit", kind: isGauge, help: "Most bytes in the send queues of all connections (BELLHOP_QUEUED_BYTES); 0: no limit."},
		{
			name: "bellhop_replay_notifications", kind: isHistogram, buckets: append([]float64{0}, prometheus.ExponentialBuckets(1, 4, 8)...), // to 16,384
			help: "Notifications that a connection with a cursor was sent before it was live.",
		},
		{name: "bellhop_tickets_total", kind: isCounter, labels: []string{"outcome"}, help: "Tickets issued, redeemed by a connection, or refused when a client connected with one."},
		{name: "bellhop_network_connections", kind: isGauge, help: "Open network connections of the public listener that are not WebSockets."},
		{name: "bellhop_network_connections_limit", kind: isGauge, help: "Most network connections and WebSockets together, as open files and memory allow; 0: no limit is known."},
		{name: "bellhop_network_connections_refused_total", kind: isCounter, help: "Network connections closed without an answer because of that limit."},
		{name: "bellhop_resets_total", kind: isCounter, labels: []string{"reason"}, help: "Connections whose cursor could not be honoured, by reason: unknown, truncated or preferences. The guide says what each means."},
	}
}

func requestMetrics() []definition {
	return []definition{
		{name: "bellhop_http_requests_total", kind: isCounter, labels: []string{"route", "status"}, help: "HTTP requests answered, by route and status. The route is a pattern, never the path of the request."},
		{
			name: "bellhop_http_request_duration_seconds", kind: isHistogram, labels: []string{"route"}, buckets: prometheus.ExponentialBuckets(0.000_25, 2, 16), // to 8 s
			help: "Time from an HTTP request to its answer, by route.",
		},
		{name: "bellhop_commands_total", kind: isCounter, labels: []string{"command", "status"}, help: "Commands on WebSockets answered, by name and status."},
		{name: "bellhop_refusals_total", kind: isCounter, labels: []string{"problem", "limit", "cause"}, help: "Requests, items of batches and commands refused or failed, by the problem of the answer, by the limit if that is limit, and by the cause if that is unavailable or token-invalid."},
		{name: "bellhop_publishes_total", kind: isCounter, labels: []string{"audience", "outcome"}, help: "Notifications published, by audience and outcome."},
		{
			name: "bellhop_publish_duration_seconds", kind: isHistogram, buckets: durations(),
			help: "Time from a publish or a batch, when its body was read, until it was stored durably. Refused ones are not measured.",
		},
	}
}

func storeMetrics() []definition {
	return []definition{
		{name: "bellhop_journal_sequence", kind: isGauge, help: "The last durable sequence."},
		{name: "bellhop_journal_group_entries", kind: isHistogram, buckets: prometheus.ExponentialBuckets(1, 2, 13), help: "Journal entries committed together."},
		{
			name: "bellhop_journal_commit_duration_seconds", kind: isHistogram, buckets: prometheus.ExponentialBuckets(0.000_1, 2, 16), // to 3 s
			help: "Time to apply and sync a group of journal entries.",
		},
		{
			name: "bellhop_store_sync_duration_seconds", kind: isHistogram, buckets: durations(),
			help: "Time to write a group of entries to the write-ahead log and sync it (fsync). Nodes of a cluster do not sync.",
		},
		{name: "bellhop_store_failing", kind: isGauge, help: "1 if the store cannot write or has found damage, else 0."},
		{name: "bellhop_store_lost_entries", kind: isGauge, help: "Entries that were stored once and were found missing at the start."},
		{name: "bellhop_store_bytes", kind: isGauge, labels: []string{"content"}, help: "Size of what is kept, before compression, by content: notifications; removals, which is what is remembered of removed ones; and the other contents, of which the guide has a list."},
		{name: "bellhop_store_limit_bytes", kind: isGauge, help: "Most bytes that are kept, before compression (BELLHOP_STORE_MAX_BYTES); 0: no limit."},
		{name: "bellhop_store_disk_bytes", kind: isGauge, help: "Size of the store on the disk."},
		{name: "bellhop_disk_free_bytes", kind: isGauge, help: "Free space on the disk of the store."},
		{name: "bellhop_disk_size_bytes", kind: isGauge, help: "Size of the disk of the store."},
		{name: "bellhop_disk_reserve_bytes", kind: isGauge, help: "Free space below which publishing is refused (BELLHOP_MIN_FREE_BYTES)."},
		{name: "bellhop_store_memtable_bytes", kind: isGauge, help: "Size of the memtables: entries that are not flushed to tables yet."},
		{name: "bellhop_store_cache_bytes", kind: isGauge, help: "Size of the block cache."},
		{name: "bellhop_store_cache_hits_total", kind: isCounter, help: "Blocks found in the cache."},
		{name: "bellhop_store_cache_misses_total", kind: isCounter, help: "Blocks read from the disk."},
		{name: "bellhop_store_log_bytes_total", kind: isCounter, help: "Bytes written to the write-ahead log."},
		{name: "bellhop_store_compactions_total", kind: isCounter, help: "Compactions done."},
		{name: "bellhop_store_read_amplification", kind: isGauge, help: "Number of levels that a read may have to search."},
	}
}

func upkeepMetrics() []definition {
	return []definition{
		{
			name: "bellhop_upkeep_runs_total", kind: isCounter, labels: []string{"task", "outcome"},
			help: "Runs of tasks in the background, by task (cleanup, release, erasure, purge, rules or receipts) and outcome (done or failed). " +
				"In a cluster one node at a time runs cleanup, release, erasure and rules.",
		},
		{
			name: "bellhop_upkeep_duration_seconds", kind: isHistogram, labels: []string{"task"}, buckets: prometheus.ExponentialBuckets(0.000_1, 4, 12), // to 7 min
			help: "Time that a run of such a task took.",
		},
		{name: "bellhop_backup_last_success_timestamp_seconds", kind: isGauge, help: "Time at which a client last received a complete backup; 0: never since the start."},
		{name: "bellhop_backup_last_duration_seconds", kind: isGauge, help: "Time that the last complete backup took; 0: there was none since the start."},
		{name: "bellhop_backup_failures_total", kind: isCounter, help: "Backups that have begun and did not become complete."},
	}
}

func accessMetrics() []definition {
	issuer, file := []string{"issuer"}, []string{"file"}
	return []definition{
		{name: "bellhop_issuer_keys", kind: isGauge, labels: issuer, help: "Number of keys of a configured issuer that are in force."},
		{name: "bellhop_issuer_key_load_failures_total", kind: isCounter, labels: issuer, help: "Attempts to load an issuer's keys that failed."},
		{name: "bellhop_issuer_key_load_last_attempt_timestamp_seconds", kind: isGauge, labels: issuer, help: "Time of the last attempt to load an issuer's keys."},
		{name: "bellhop_issuer_key_load_last_success_timestamp_seconds", kind: isGauge, labels: issuer, help: "Time at which an issuer's keys were last loaded or found unchanged; 0: never."},
		{name: "bellhop_issuer_key_change_timestamp_seconds", kind: isGauge, labels: issuer, help: "Time since which an issuer's keys are the same. Of secrets in the settings, it is the start or the reload since which this process has them. 0: none were loaded."},
		{name: "bellhop_file_load_failing", kind: isGauge, labels: file, help: "1 if the content of a file cannot be used and an older one is in force."},
		{name: "bellhop_file_load_last_success_timestamp_seconds", kind: isGauge, labels: file, help: "Time at which the content of a file was last found to be valid."},
		{name: "bellhop_file_load_failures_total", kind: isCounter, labels: file, help: "Attempts to load a file that failed."},
		{name: "bellhop_file_reloads_total", kind: isCounter, labels: file, help: "New contents of a file that came into force after the start."},
		{name: "bellhop_tls_certificate_expiry_timestamp_seconds", kind: isGauge, help: "Time at which the TLS certificate, or one of its chain, expires."},
	}
}

func clusterMetrics() []definition {
	return []definition{
		{name: "bellhop_journal_lag_seconds", kind: isGauge, help: "By how much this node is behind the journal. A node more than 2 s behind is not ready. Absent while the node is cut off, because it is not known then."},
		{name: "bellhop_journal_message", kind: isGauge, help: "Number of the last message of the stream that this node has applied."},
		{name: "bellhop_journal_stopped", kind: isGauge, help: "1 if this node has stopped following the journal permanently, else 0; the log has the reason."},
		{name: "bellhop_journal_clock_ahead_seconds", kind: isGauge, help: "By how much the clock of this node is ahead of that of the NATS servers, as far as that is certain."},
		{name: "bellhop_journal_hash_diverged", kind: isGauge, help: "1 if this node has stopped because its state differs from that of the majority, else 0."},
		{name: "bellhop_journal_hash_sequence", kind: isGauge, help: "The sequence at which the states of nodes were last compared; 0: not yet."},
		{name: "bellhop_journal_hash_agreeing_nodes", kind: isGauge, help: "Other nodes whose state was the same in the last comparison."},
		{name: "bellhop_journal_hash_contradicting_nodes", kind: isGauge, help: "Other nodes whose state was different in the last comparison."},
		{name: "bellhop_journal_skipped_entries_total", kind: isCounter, labels: []string{"reason"}, help: "Entries of the journal that this node has applied without a change because it cannot read them: foreign (damaged, or of another program) or newer (of a later version of bellhop)."},
		{name: "bellhop_journal_stream_bytes", kind: isGauge, help: "Size of the stream, as this node has last seen it, some seconds ago; 0: not yet. Use the maximum of all nodes."},
		{name: "bellhop_journal_stream_limit_bytes", kind: isGauge, help: "Most bytes of the stream; 0: no limit of the stream itself, or not known yet."},
		{name: "bellhop_nats_servers", kind: isGauge, labels: []string{"state"}, help: "NATS servers in BELLHOP_NATS_MONITOR by the result of the last check: synced, unsynced (acknowledged entries can be lost) or unreachable."},
		{name: "bellhop_cluster_nodes", kind: isGauge, help: "Nodes that this node has heard of lately, itself included."},
		{name: "bellhop_cluster_ready_nodes", kind: isGauge, help: "Nodes among them that have said that they are ready."},
		{name: "bellhop_checkpoint_last_timestamp_seconds", kind: isGauge, help: "Time of the newest checkpoint; 0 on nodes that have not written or looked for one. Alert on the maximum of all nodes."},
		{name: "bellhop_checkpoint_failures_total", kind: isCounter, help: "Checkpoints that could not be written."},
	}
}
