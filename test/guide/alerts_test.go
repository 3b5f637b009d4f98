package guide

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/natsserver"
)

// Machines on which the commands of alerts run.
type place int

const (
	faulty    place = iota // has no keys of an issuer, a broken file and callers that are refused
	secure                 // has a certificate
	clustered              // follows a journal, and had a backup
)

// shown is what the commands of an alert must show.
type shown struct {
	alert string // heading
	on    place
	want  string // regular expression
}

func alertOutputs() []shown {
	return []shown{
		{"Alerts", faulty, `(?s)"status":503.*source cannot be loaded`},
		{"BellhopDown", secure, `(?s)listening.*ready\n`},
		{"BellhopNotReady", faulty, `(?s)503.*login\.example\.com`},
		{"BellhopRequestsFail", faulty, `bellhop_refusals_total\{.*problem="limit"`},
		{"BellhopPublishesSlow", faulty, `(?s)bellhop_journal_group_entries_count.*bellhop_publish_duration_seconds_sum.*bellhop_store_sync_duration_seconds_count`},
		{"BellhopDeliveriesSlow", faulty, `(?s)bellhop_connections.*bellhop_delivery_duration_seconds_count`},
		{"BellhopSyncsSlow", faulty, `(?s)bellhop_store_sync_duration_seconds_sum.*409600 bytes`},
		{"BellhopDiskBelowReserve", faulty, `(?s)bellhop_disk_free_bytes .*bellhop_disk_reserve_bytes .*bellhop_store_disk_bytes `},
		{"BellhopStoreFailing", faulty, `bellhop_store_failing 0`},
		{"BellhopEntriesLost", faulty, `bellhop_store_lost_entries 0`},
		{"BellhopStoreOverheadHigh", faulty, `(?s)bellhop_store_other_bytes.*debug until`},
		{"BellhopUpkeepFails", faulty, `bellhop_upkeep_runs_total\{.*task="cleanup"`},
		{"BellhopBackupOld", clustered, `(?s)bellhop_backup_last_success_timestamp_seconds [\d.]+ \(20.*"outcome":"done"`},
		{"BellhopIssuerHasNoKeys", faulty, `(?s)bellhop_issuer_keys\{issuer="https://login.example.com"\} 0.*source cannot be loaded`},
		{"BellhopFileNotLoaded", faulty, `(?s)bellhop_file_load_failing\{file="api_keys"\} 1.*api-keys.yaml`},
		{"BellhopCertificateExpires", secure, `(?s)bellhop_tls_certificate_expiry_timestamp_seconds \d+ \(20.*notAfter=`},
		{"BellhopTokensRefused", faulty, `(?s)cause="malformed".*\d "reason":"token invalid: `},
		{"BellhopLimitReached", faulty, `"principal":"user:backend"`},
		{"BellhopEventsDropped", faulty, `bellhop_deliveries_total`},
		{"BellhopConnectionsNearLimit", faulty, `(?s)bellhop_connections_limit.*process_max_fds`},
		{"BellhopConnectionsRefused", faulty, `bellhop_network_connections_refused_total 0`},
		{"BellhopFilesNearLimit", faulty, `process_open_fds`},
		{"BellhopQueuesNearLimit", faulty, `bellhop_queued_bytes_limit`},
		{"BellhopLogLinesDropped", faulty, `bellhop_log_lines_dropped_total 0`},
		{"BellhopJournalLags", clustered, `(?s)bellhop_journal_lag_seconds.*READY.*yes`},
		{"BellhopJournalStopped", clustered, `bellhop_journal_stopped 0`},
		{"BellhopStatesDiffer", clustered, `(?s)bellhop_journal_hash_contradicting_nodes.*STATES`},
		{"BellhopClockWrong", clustered, `(?s)bellhop_journal_clock_ahead_seconds.*"now":`},
		{"BellhopCheckpointOld", clustered, `bellhop_checkpoint_last_timestamp_seconds`},
		{"BellhopJournalNearLimit", clustered, `(?s)bellhop_journal_stream_bytes.*READY.*yes`},
		{"BellhopNATSServersUnsynced", clustered, `bellhop_nats_servers\{state="synced"\} 1`},
		{"BellhopNATSServersUnreachable", clustered, `(?s)bellhop_nats_servers.*READY.*yes`},
	}
}

// alerts returns the procedure of all alerts: their commands run on machines with some of the faults.
func alerts() procedure {
	p := procedure{}
	for _, s := range alertOutputs() {
		p.sections = append(p.sections, s.alert)
	}
	p.run = func(t *testing.T, c chapter) {
		t.Helper()
		machines := []*machine{faulty: faultyMachine(t), secure: secureMachine(t), clustered: clusteredMachine(t)}
		for _, s := range alertOutputs() {
			m, b := machines[s.on], c.next()
			if s.alert == "BellhopDown" {
				m.crash()
			}
			out, err := m.bash(m.home, b.text)
			assert.Regexp(t, s.want, out, "%s\n%s", s.alert, b.text)
			if s.alert != "BellhopFileNotLoaded" { // whose commands fail while there are mistakes
				assert.NoError(t, err, "%s: %s", s.alert, out)
			}
		}
	}
	return p
}

// Each alert has commands, or refers to a section that has some.
func TestEachAlertHasCommands(t *testing.T) {
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	have := map[string]bool{}
	for _, s := range readGuide(t) {
		have[strings.ReplaceAll(strings.ToLower(s.name), " ", "-")] = true
	}
	alerts := regexp.MustCompile(`(?m)^### (Bellhop\w+)\n`).FindAllSubmatchIndex(text, -1)
	require.NotEmpty(t, alerts)
	for _, at := range alerts {
		name, body := string(text[at[2]:at[3]]), string(text[at[1]:])
		body, _, _ = strings.Cut(body, "\n#")
		commands := have[strings.ToLower(name)]
		for _, link := range regexp.MustCompile(`\]\(#([\w-]+)\)`).FindAllStringSubmatch(body, -1) {
			commands = commands || have[link[1]]
		}
		assert.True(t, commands, "%s has no commands", name)
	}
}

// faultyMachine returns a machine whose node is not ready, has refused requests, and cannot use a file.
func faultyMachine(t *testing.T) *machine {
	t.Helper()
	m := newMachine(t, "publishes_per_second: 1", "jwt_user_prefix: none")
	m.write("api-keys.yaml", "[]")
	m.write("issuers.yaml", "- issuer: https://login.example.com\n  jwks: http://127.0.0.1:1/keys\n  audiences: [bellhop]\n  user_prefix: none\n")
	m.sh(`echo "api_keys_file: ` + m.path("api-keys.yaml") + `" >> "$BELLHOP_CONFIG"; echo "issuers_file: ` + m.path("issuers.yaml") + `" >> "$BELLHOP_CONFIG"`)
	m.sh("systemctl start bellhop; curl -sS --retry 60 --retry-delay 1 --retry-all-errors \"$BELLHOP_URL/livez\"")
	m.write("api-keys.yaml", "- name: shop\n")
	m.waitFor(`bellhop metrics load_failing`, `bellhop_file_load_failing{file="api_keys"} 1`)
	backend := token(t, "backend", notify.ScopePublish)
	require.Eventually(t, func() bool { return m.withToken(backend) == http.StatusTooManyRequests }, timeout, time.Millisecond, "the limit is not reached")
	for range 3 {
		require.Equal(t, http.StatusUnauthorized, m.withToken("not.a.token"))
	}
	m.waitFor("journalctl -u bellhop", `"status":401`)
	return m
}

// waitFor waits until a command, which may fail before, prints a text.
func (m *machine) waitFor(command, text string) {
	m.t.Helper()
	require.Eventually(m.t, func() bool {
		out, _ := m.bash(m.home, command) // a file may not be there yet
		return strings.Contains(out, text)
	}, timeout, 50*time.Millisecond, "%s does not print %s", command, text)
}

func clusteredMachine(t *testing.T) *machine {
	t.Helper()
	nats := natsserver.Start(t, natsserver.Options{Servers: 1})
	m := newMachine(t, "nats_url: "+nats.URL, "replicas: 1", "unsafe_replicas: true", "node: node-1", "nats_monitor: "+nats.Servers[0].Monitor)
	m.set("NATS_1=" + nats.Servers[0].Monitor)
	m.start()
	m.waitFor("bellhop cluster", "last checkpoint: sequence")
	m.sh("bellhop backup --to backup.tar.zst")
	return m
}
