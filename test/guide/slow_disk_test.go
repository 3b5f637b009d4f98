//go:build linux

package guide

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/slowdisk"
)

// slowSyncs runs a node under load on a disk on which each tenth sync takes longer than the alert allows. The commands show
// that syncs are slow there, also those of another program. When the data is on another disk, they show that none is.
func slowSyncs(t *testing.T, c chapter) {
	const takes, ofTen = 300 * time.Millisecond, 30 * time.Millisecond
	old, better := mount(t, "64m"), mount(t, "64m") // in memory, so that other syncs take no time
	for _, dir := range []string{old, better} {
		require.NoError(t, os.Chown(dir, serviceUser, serviceUser))
	}
	disk := slowdisk.Mount(t, old)
	m := newMachine(t, "data_dir: "+filepath.Join(disk.Dir, "data"))
	m.set("DATA="+filepath.Join(disk.Dir, "data"), "NEW_DATA="+filepath.Join(better, "data"), "PUBLISHER="+token(t, "backend", notify.ScopePublish))
	m.start()
	disk.Slow(10, takes)
	m.begin(`while :; do bellhop send --user ada --type test --title x --token "$PUBLISHER" || true; sleep 0.05; done`)
	require.Eventually(t, func() bool { return m.slowSyncs() > 0.01 }, timeout, 50*time.Millisecond, "the alert does not fire")

	show := c.next()
	shown := m.run(show)
	mean, most := syncsShown(shown)
	require.GreaterOrEqual(t, mean, ofTen/2, shown)
	require.GreaterOrEqual(t, most, takes, shown)
	require.GreaterOrEqual(t, ddTime(shown), 100*ofTen, shown)

	m.run(c.next())
	m.set("DATA=" + filepath.Join(better, "data"))
	require.Eventually(t, func() bool { // as fast as the guide says, once the machine has nothing else to do
		shown, _ = m.bash(m.home, show.text)
		_, most := syncsShown(shown)
		return most > 0 && most < takes && ddTime(shown) > 0 && ddTime(shown) < time.Second
	}, timeout, time.Millisecond, "the disk is not fast")
	require.Contains(t, m.inbox("ada"), `"title":"x"`)
}

// slowSyncs returns the part of the syncs since the start that took longer than 0.2 s.
func (m *machine) slowSyncs() float64 {
	text := m.sh(`curl -sS "$ADMIN/metrics"`)
	number := func(series string) (n float64) {
		found := regexp.MustCompile(`(?m)^bellhop_store_sync_duration_seconds_` + series + ` (\S+)$`).FindStringSubmatch(text)
		require.NotNil(m.t, found)
		n, err := strconv.ParseFloat(found[1], 64)
		require.NoError(m.t, err)
		return n
	}
	return 1 - number(`bucket\{le="0.2048"\}`)/max(1, number("count"))
}

// syncsShown returns the mean of syncs that the commands of the guide show, and the bound of 99 % of them; zero: none.
func syncsShown(out string) (mean, most time.Duration) {
	found := regexp.MustCompile(`bellhop_store_sync_duration_seconds_count \+\d+, mean (\S+), 99 % (?:up to|over) (\S+)\n`).FindStringSubmatch(out)
	if found == nil {
		return 0, 0
	}
	mean, _ = time.ParseDuration(found[1]) // zero if it is none
	most, _ = time.ParseDuration(found[2])
	return mean, most
}

// ddTime returns how long dd says that it took; zero: it does not.
func ddTime(out string) time.Duration {
	found := regexp.MustCompile(`409600 bytes.* copied, (\S+) s,`).FindStringSubmatch(out)
	if found == nil {
		return 0
	}
	took, _ := time.ParseDuration(found[1] + "s") // zero if it is none
	return took
}
