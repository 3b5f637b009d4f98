package monitor

import (
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/bellhop/bellhop/test/slow"
)

// Each test provokes a fault in a process, lets the time pass that the alerts wait for, and wants
// these alerts to fire and no others.

func nothing() {}

// free returns the free space on the disk of a directory.
func free(t *testing.T, dir string) uint64 {
	t.Helper()
	var s unix.Statfs_t
	require.NoError(t, unix.Statfs(dir, &s))
	return s.Bavail * uint64(s.Bsize)
}

func TestADiskBelowItsReserveIsAnAlert(t *testing.T) {
	p := start(t, "full", "BELLHOP_MIN_FREE_BYTES="+strconv.FormatUint(free(t, t.TempDir())+1<<33, 10))
	newAlerts(t).fires(t, 15*time.Minute, time.Minute, p, p.visit, "BellhopDiskBelowReserve", "BellhopNotReady", "BellhopRequestsFail")
	require.Positive(t, p.metric(`bellhop_refusals_total{cause="disk-full",limit="",problem="unavailable"}`))
}

func TestALowDiskIsAnAlert(t *testing.T) {
	p := start(t, "low", "BELLHOP_MIN_FREE_BYTES="+strconv.FormatUint(free(t, t.TempDir())*2/3, 10))
	newAlerts(t).fires(t, 40*time.Minute, 4*time.Minute, p, nothing, "BellhopDiskLow")
}

// hangup makes the process load its keys, and waits until that has failed.
func (p *process) hangup() {
	p.t.Helper()
	const failures = "bellhop_issuer_key_load_failures_total"
	before := p.metric(failures)
	p.signal(syscall.SIGHUP)
	p.await("keys could not be loaded", func() bool { return p.metric(failures) > before })
}

func TestKeysThatCannotBeLoadedAreAnAlert(t *testing.T) {
	keys, a := newKeySet(t), newAlerts(t)
	p := start(t, "keys", keys.settings(t)...)
	p.awaitReady()
	require.Empty(t, a.run(5*time.Minute, time.Minute, []*process{p}, nothing))
	keys.failing.Store(true)
	a.fires(t, 29*time.Minute, time.Minute, p, p.hangup, "BellhopIssuerKeysNotLoaded")
}

func TestAnIssuerWithoutKeysIsAnAlert(t *testing.T) {
	keys := newKeySet(t)
	keys.failing.Store(true)
	p := start(t, "nokeys", keys.settings(t)...)
	newAlerts(t).fires(t, 29*time.Minute, time.Minute, p, p.hangup, "BellhopIssuerHasNoKeys", "BellhopIssuerKeysNotLoaded", "BellhopNotReady")
}

func TestAFileThatCannotBeUsedIsAnAlert(t *testing.T) {
	path := file(t, "keys.yaml", "[]")
	p := start(t, "file", "BELLHOP_API_KEYS_FILE="+path)
	require.NoError(t, os.WriteFile(path, []byte("not a list"), 0o600))
	p.await("the file was read", func() bool { return p.metric(`bellhop_file_load_failing{file="api_keys"}`) == 1 })
	newAlerts(t).fires(t, 10*time.Minute, time.Minute, p, nothing, "BellhopFileNotLoaded")
}

func TestACertificateThatExpiresIsAnAlert(t *testing.T) {
	p := start(t, "certificate", certificate(t, 5*24*time.Hour)...)
	newAlerts(t).fires(t, 70*time.Minute, 4*time.Minute, p, nothing, "BellhopCertificateExpires")
}

func TestManyRefusedTokensAreAnAlert(t *testing.T) {
	p := start(t, "tokens")
	newAlerts(t).fires(t, 25*time.Minute, time.Minute, p, func() {
		for range 5 {
			p.try(http.MethodGet, "/inbox", "not.a.token", "")
		}
	}, "BellhopTokensRefused")
	require.Positive(t, p.metric(`bellhop_refusals_total{cause="malformed",limit="",problem="token-invalid"}`))
}

func TestALimitThatIsOftenReachedIsAnAlert(t *testing.T) {
	p := start(t, "limits", "BELLHOP_PUBLISHES_PER_SECOND=1")
	newAlerts(t).fires(t, 29*time.Minute, time.Minute, p, func() {
		p.together(20, func(int) { p.publish(toAda, "") })
	}, "BellhopLimitReached")
}

// together calls do concurrently with 0 to n-1, and waits.
func (p *process) together(n int, do func(int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { do(i) })
	}
	all.Wait()
}

// stalled opens a WebSocket that reads nothing after live, and has a small buffer.
func (p *process) stalled(user string) *websocket.Conn {
	p.t.Helper()
	from := *p
	from.client = &http.Client{Transport: &http.Transport{DialContext: slow.Receiver(4096, 0).DialContext}}
	return from.connect(user, "")
}

// filler returns data that is nearly as large as that of a notification may be.
func filler() string { return strings.Repeat("x", 16_000) }

func TestDroppedEventsAreAnAlert(t *testing.T) {
	p := start(t, "slow", "BELLHOP_QUEUE_NOTIFICATIONS=16")
	step := 0
	newAlerts(t).fires(t, 24*time.Minute, 2*time.Minute, p, func() {
		if step++; step != 2 && step != 8 {
			return
		}
		const slow = `bellhop_drops_total{reason="too-slow"}`
		before := p.metric(slow)
		ws := p.stalled("ada")
		p.await("events were dropped", func() bool {
			p.together(32, func(int) { p.publish(toAda, filler()) })
			return p.metric(slow) > before
		})
		_ = ws.CloseNow()
	}, "BellhopEventsDropped")
}

// The service waits ten seconds for a peer that reads nothing; this takes less.
func TestLongQueuesAreAnAlert(t *testing.T) {
	p := start(t, "queues", "BELLHOP_QUEUED_BYTES=1MiB", "BELLHOP_QUEUE_BYTES=1MiB")
	users := []string{"a", "b", "c", "d"}
	for _, u := range users {
		p.stalled(u)
	}
	p.await("half of the memory is taken", func() bool {
		p.together(len(users), func(i int) { p.publish(fmt.Sprintf(`{"users":[%q]}`, users[i]), filler()) })
		return p.metric("bellhop_queued_bytes ") > 0.55*(1<<20)
	})
	newAlerts(t).fires(t, 7*time.Minute, time.Minute, p, nothing, "BellhopQueuesNearLimit")
}

func TestDroppedLogLinesAreAnAlert(t *testing.T) {
	p := start(t, "log", unreadLog, "BELLHOP_LOG_LEVEL=debug")
	newAlerts(t).fires(t, 8*time.Minute, time.Minute, p, func() { p.try(http.MethodGet, "/readyz", "", "") }, "BellhopLogLinesDropped")
}

func TestManyConnectionsAreAnAlert(t *testing.T) {
	p := start(t, "connections", "BELLHOP_CONNECTIONS=2")
	p.connect("ada", "")
	p.connect("ada", "")
	newAlerts(t).fires(t, 7*time.Minute, time.Minute, p, nothing, "BellhopConnectionsNearLimit")
}

func TestManyOpenFilesAreAnAlert(t *testing.T) {
	p := start(t, "files", fewFiles)
	for n := range 26 { // a few less than are an alert of their own
		p.connect("user-"+strconv.Itoa(n), "")
	}
	for n := 0; p.metric("process_open_fds ") < 0.93*64; n++ {
		require.Less(t, n, 30, "the connections are not open")
		conn, err := net.Dial("tcp", p.public)
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
	}
	newAlerts(t).fires(t, 7*time.Minute, time.Minute, p, nothing, "BellhopFilesNearLimit")
}

func TestLostEntriesAreAnAlert(t *testing.T) {
	before := start(t, "before")
	for range 20 {
		before.publish(toAda, "")
	}
	before.kill()
	require.NoError(t, os.RemoveAll(filepath.Join(before.dir, "store")))
	p := start(t, "lost", "BELLHOP_DATA_DIR="+before.dir)
	newAlerts(t).fires(t, 2*time.Minute, time.Minute, p, nothing, "BellhopEntriesLost")
}

func TestAStoreFullOfKeysIsAnAlert(t *testing.T) {
	const limit = 100_000
	p := start(t, "overhead", "BELLHOP_STORE_MAX_BYTES="+strconv.Itoa(limit))
	for n := 0; p.metric(`bellhop_store_bytes{content="idempotency-keys"}`) < 0.42*limit; n++ {
		p.publish(toAda, "", "Idempotency-Key", strconv.Quote("key-"+strconv.Itoa(n)))
	}
	newAlerts(t).fires(t, 18*time.Minute, time.Minute, p, nothing, "BellhopStoreOverheadHigh")
}

func TestAProcessThatIsGoneIsAnAlert(t *testing.T) {
	p, a := start(t, "gone"), newAlerts(t)
	require.Empty(t, a.run(5*time.Minute, time.Minute, []*process{p}, nothing))
	p.kill()
	a.fires(t, 10*time.Minute, time.Minute, p, nothing, "BellhopDown")
}

// A process that is stopped for two seconds, now and then, is slow.
func TestSlownessIsAnAlert(t *testing.T) {
	p, a := start(t, "stopped"), newAlerts(t)
	p.together(10, func(n int) {
		for i := range 15 {
			ws := p.connect(fmt.Sprintf("user-%d-%d", n, i), "")
			go readAll(ws)
		}
	})
	minute := 0
	a.fires(t, 13*time.Minute, time.Minute, p, func() {
		if minute++; minute == 2 || minute == 9 {
			p.stopWhilePublishing()
		}
	}, "BellhopDeliveriesSlow", "BellhopPublishesSlow", "BellhopSyncsSlow")
}

func readAll(ws *websocket.Conn) {
	for {
		if _, _, err := ws.Read(context.Background()); err != nil {
			return
		}
	}
}

// observed is the number of observations of a histogram, and of those that were longer than 1.6 s.
type observed struct{ all, slow float64 }

func (p *process) observed(name string) observed {
	all := p.metric(name + "_count ")
	return observed{all, all - p.metric(name+`_bucket{le="1.6384"}`)}
}

// stopWhilePublishing stops the process for two seconds while broadcasts are published, until
// that has delayed one and a half percent of all that is measured: an alert needs one.
func (p *process) stopWhilePublishing() {
	p.t.Helper()
	names := []string{"bellhop_publish_duration_seconds", "bellhop_store_sync_duration_seconds", "bellhop_delivery_duration_seconds"}
	var before []observed
	for _, name := range names {
		before = append(before, p.observed(name))
	}
	p.await("everything was delayed", func() bool {
		var publishing sync.WaitGroup
		begun := make(chan struct{}, 1)
		publishing.Go(func() {
			p.together(4, func(int) {
				for range 4 {
					p.publish(toAll, "")
					select {
					case begun <- struct{}{}:
					default:
					}
				}
			})
		})
		<-begun
		require.NoError(p.t, slow.Pause(p.cmd.Process))
		<-time.After(2 * time.Second) // that is the fault
		require.NoError(p.t, slow.Resume(p.cmd.Process))
		publishing.Wait()
		for i, name := range names {
			now := p.observed(name)
			if now.slow-before[i].slow < 0.015*(now.all-before[i].all) || now.slow == before[i].slow {
				return false
			}
		}
		return true
	})
}

// Bits of the largest table flip while the process runs.
func TestADamagedStoreIsAnAlert(t *testing.T) {
	before := start(t, "before")
	random := rand.NewChaCha8([32]byte{})
	for range 100 {
		noise := make([]byte, 8_000) // it cannot be compressed into one block
		_, _ = random.Read(noise)    // never fails
		before.publish(toAda, hex.EncodeToString(noise))
	}
	before.kill()
	p := start(t, "damaged", "BELLHOP_DATA_DIR="+before.dir) // writes its log into a table
	flipBits(t, filepath.Join(before.dir, "store", "*.sst"))
	p.await("the damage is found", func() bool {
		t.Log(p.try(http.MethodGet, "/inbox?limit=100", token(t, "ada"), ""))
		return p.metric("bellhop_store_failing ") == 1
	})
	newAlerts(t).fires(t, 4*time.Minute, time.Minute, p, nothing, "BellhopStoreFailing", "BellhopNotReady")
}
