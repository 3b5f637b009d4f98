//go:build linux

package guide

import (
	"fmt"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/test/slow"
	"github.com/bellhop/bellhop/test/wrongclock"
)

// clockUnit is the unit that synchronises the clock of a machine.
type clockUnit struct {
	m      *machine
	binary string
}

func (clockUnit) log() string     { return "" }
func (u clockUnit) start() error  { u.set(0); return nil }
func (clockUnit) stop() error     { return nil }
func (u clockUnit) reload() error { return fmt.Errorf("%s cannot be reloaded", u.binary) }
func (u clockUnit) set(wrong time.Duration) {
	u.m.t.Helper()
	process := u.m.units["bellhop"].(*node).cmd.Process.Pid //nolint:forcetypeassert // that of newMachine
	wrongclock.Set(u.m.t, u.binary, process, wrong)
	u.m.script("date", fmt.Sprintf(`exec /bin/date -d '%d seconds' "$@"`, int(wrong.Seconds())))
}

// setClockWith gives a machine a node that runs a program of wrongclock, and the unit that sets its clock.
func (m *machine) setClockWith(binary string) clockUnit {
	m.t.Helper()
	u := clockUnit{m, binary}
	m.replace(binary)
	m.units["systemd-timesyncd"] = u
	return u
}

// replace replaces the program of a machine.
func (m *machine) replace(program string) {
	m.t.Helper()
	m.sh(`rm "` + filepath.Join(m.bin, "bellhop") + `"`)
	m.sh(`cp "` + program + `" "` + filepath.Join(m.bin, "bellhop") + `"`)
}

// wrongClock sets the clock of a machine to a wrong time.
func wrongClock(t *testing.T, c chapter, clock clockUnit, m *machine) {
	t.Helper()
	const wrong = 30 * time.Second
	clock.set(wrong)
	m.waitForMatch("bellhop metrics clock_ahead", `bellhop_journal_clock_ahead_seconds [23]\d\.`)
	shown := m.run(c.next())
	require.Regexp(t, `bellhop_journal_clock_ahead_seconds [23]\d\.`, shown)
	times := regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z`).FindAllString(shown, -1)
	require.Len(t, times, 2, shown)
	var at []time.Time
	for _, text := range times {
		one, err := time.Parse(time.RFC3339Nano, text)
		require.NoError(t, err)
		at = append(at, one)
	}
	require.InDelta(t, wrong.Seconds(), at[0].Sub(at[1]).Seconds(), wrong.Seconds()/2, shown)
	m.waitFor(`curl -sS "$BELLHOP_URL/readyz"`, "the clock of this node differs by")
	require.Regexp(t, `ready\nbellhop_journal_clock_ahead_seconds -?(0|0\.\d+)\n`, m.run(c.next()))
}

// oldBackup lets thirty hours pass after a backup. Then another one breaks off, since its client does not read it to the end.
func oldBackup(t *testing.T, c chapter, binary string) {
	t.Helper()
	m := newMachine(t)
	clock := m.setClockWith(binary)
	m.start()
	m.sh("bellhop backup --to old.tar.zst")
	for range 3 {
		m.fill() // so that the backup is larger than what the kernel takes
	}
	clock.set(30 * time.Hour)
	conn, err := slow.Receiver(4096, 0).DialContext(t.Context(), "tcp", m.admin)
	require.NoError(t, err)
	_, err = fmt.Fprintf(conn, "GET /backup HTTP/1.1\r\nHost: %s\r\n\r\n", m.admin)
	require.NoError(t, err)
	_, err = conn.Read(make([]byte, 1))
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	m.waitFor("bellhop metrics backup_failures", "failures_total 1")
	m.waitFor("journalctl -u bellhop", `"outcome":"partly"`)
	show := c.next()
	shown := m.run(show)
	require.Regexp(t, `(?s)backup_failures_total 1\n.*"action":"backup","outcome":"partly".*"reason":`, shown)
	require.InDelta(t, 30, m.backupAge(shown).Hours(), 1)

	m.run(firstBlock(t, "Backup"))
	shown = m.run(show)
	require.Regexp(t, `"outcome":"done"[^\n]*\n$`, shown)
	require.InDelta(t, 0, m.backupAge(shown).Hours(), 1)
}

// backupAge returns how old the last backup is by what the commands of the guide show, and by the time of the machine.
func (m *machine) backupAge(out string) time.Duration {
	m.t.Helper()
	found := regexp.MustCompile(`bellhop_backup_last_success_timestamp_seconds \S+ \((\S+)\)`).FindStringSubmatch(out)
	require.NotNil(m.t, found, out)
	taken, err := time.Parse(time.RFC3339, found[1])
	require.NoError(m.t, err)
	now, err := time.Parse(time.RFC3339, m.sh("date -u +%FT%TZ"))
	require.NoError(m.t, err)
	return now.Sub(taken)
}
