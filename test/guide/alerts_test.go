//go:build linux

package guide

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Machines on which the commands of alerts run.
type place int

const (
	faulty    place = iota // has no keys of an issuer, a broken file and callers that are refused
	secure                 // has a certificate
	damaged                // has found damage in its store, and refuses and fails requests
	lossy                  // has lost entries, and had a client that read nothing
	unlogged               // cannot write its log
	few                    // may open few files and connections, has as many, and has refused others
	slowed                 // has stood still while notifications were published
	full                   // has a disk below its reserve, and could not purge files
	clustered              // follows a journal, has skipped a foreign message, and cannot reach one of two monitoring ports
	stopped                // does not follow its journal, which was lost
	unsynced               // has a NATS server that does not sync
)

// shown is what the commands of an alert must show.
type shown struct {
	alert string // heading
	on    place
	want  string // regular expression
}

// alertOutputs returns what is shown of each fault.
func alertOutputs() []shown {
	return []shown{
		{"Alerts", faulty, `(?s)"status":503.*source cannot be loaded`},
		{"BellhopDown", secure, `(?s)listening.*ready\n`},
		{"BellhopNotReady", faulty, `(?s)503.*login\.example\.com`},
		{"BellhopRequestsFail", damaged, `(?s)status="5\d\d".*bellhop_refusals_total\{.*"msg":"request failed"`},
		{"BellhopPublishesSlow", slowed, `(?s)bellhop_journal_group_entries_count.*bellhop_publish_duration_seconds_sum [1-9].*bellhop_store_sync_duration_seconds_count`},
		{"BellhopDeliveriesSlow", slowed, `(?s)bellhop_connections\{transport="websocket"\} 1\n.*bellhop_delivery_duration_seconds_sum [1-9]`},
		{"BellhopDiskBelowReserve", full, `(?s)bellhop_disk_free_bytes \d{1,14} .*bellhop_disk_reserve_bytes 1\d{15} .*bellhop_store_disk_bytes `},
		{"BellhopStoreFailing", damaged, `(?s)bellhop_store_failing 1.*"level":"ERROR"`},
		{"BellhopEntriesLost", lossy, `(?s)bellhop_store_lost_entries [1-9].*"level":"ERROR"`},
		{"BellhopUpkeepFails", full, `(?s)outcome="failed",task="purge"\} [1-9].*"level":"ERROR".*not purged after an erasure`},
		{"BellhopIssuerHasNoKeys", faulty, `(?s)bellhop_issuer_keys\{issuer="https://login.example.com"\} 0.*source cannot be loaded`},
		{"BellhopFileNotLoaded", faulty, `(?s)bellhop_file_load_failing\{file="api_keys"\} 1.*api-keys.yaml`},
		{"BellhopCertificateExpires", secure, `(?s)bellhop_tls_certificate_expiry_timestamp_seconds \d+ \(20.*notAfter=`},
		{"BellhopTokensRefused", faulty, `(?s)cause="malformed".*\d "reason":"token invalid: `},
		{"BellhopLimitReached", faulty, `"principal":"user:backend"`},
		{"BellhopEventsDropped", lossy, `(?s)bellhop_drops_total\{reason="too-slow"\} [1-9].*\d "user":"`},
		{"BellhopConnectionsNearLimit", few, `(?s)bellhop_connections\{transport="websocket"\} 3\n.*bellhop_connections_limit 3\n.*process_max_fds 64\n`},
		{"BellhopConnectionsRefused", few, `bellhop_network_connections_refused_total [1-9]`},
		{"BellhopFilesNearLimit", few, `(?s)process_max_fds 64\n.*process_max_fds 4096\n`},
		{"BellhopLogLinesDropped", unlogged, `bellhop_log_lines_dropped_total [1-9]`},
		{"BellhopJournalStopped", stopped, `(?s)"status":503.*bellhop_journal_stopped 1`},
		{"BellhopJournalForeign", clustered, `(?s)bellhop_journal_skipped_entries_total\{reason="foreign"\} 1.*a message of version 104.*hello`},
		{"BellhopNATSServersUnsynced", unsynced, `(?s)bellhop_nats_servers\{state="unsynced"\} 1.*sync_interval`},
		{"BellhopNATSServersUnreachable", clustered, `(?s)bellhop_nats_servers\{state="unreachable"\} 1.*READY.*yes`},
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
		cluster, _ := clusteredMachine(t)
		machines := []*machine{
			faulty: faultyMachine(t), secure: secureMachine(t), damaged: damagedMachine(t), lossy: lossyMachine(t), unlogged: unloggedMachine(t),
			few: fewFilesMachine(t), slowed: slowedMachine(t), full: fullMachine(t), clustered: cluster, stopped: stoppedMachine(t), unsynced: unsyncedMachine(t),
		}
		for _, s := range alertOutputs() {
			if s.alert == "BellhopDown" {
				machines[s.on].crash()
			}
			out := ""
			for range c.left(s.alert) {
				b := c.next()
				part, err := machines[s.on].bash(machines[s.on].home, "set -o pipefail\n"+b.text) // a search that finds nothing fails
				if s.alert != "BellhopFileNotLoaded" {                                            // whose commands fail while there are mistakes
					assert.NoError(t, err, "%s: %s\n%s", s.alert, b.text, part)
				}
				out += part
			}
			assert.Regexp(t, s.want, out, s.alert)
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
