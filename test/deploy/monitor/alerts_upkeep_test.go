package monitor

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/natsserver"
)

// On a disk without free space, the files cannot be purged after an erasure.
func TestUpkeepThatFailsIsAnAlert(t *testing.T) {
	p, a := start(t, "upkeep", "BELLHOP_MIN_FREE_BYTES="+strconv.FormatUint(free(t, t.TempDir())+1<<33, 10)), newAlerts(t)
	a.run(2*time.Minute, time.Minute, []*process{p}, nothing)
	p.try(http.MethodDelete, "/users/ada", token(t, "operator", notify.ScopeAdmin), "")
	p.await("a purge has failed", func() bool {
		return p.metric(`bellhop_upkeep_runs_total{outcome="failed",task="purge"}`) > 0
	})
	a.fires(t, 12*time.Minute, time.Minute, p, nothing, "BellhopDiskBelowReserve", "BellhopNotReady", "BellhopUpkeepFails")
}

// awaitUpkeep waits until there was some upkeep.
func (p *process) awaitUpkeep() {
	p.t.Helper()
	const runs = `bellhop_upkeep_runs_total{outcome="done"`
	before := p.metric(runs)
	p.await("there was upkeep", func() bool { return p.metric(runs) > before })
}

// backUp receives a backup.
func (p *process) backUp() {
	p.t.Helper()
	resp, err := p.client.Get("http://" + p.admin + "/backup")
	require.NoError(p.t, err)
	_, err = io.Copy(io.Discard, resp.Body)
	require.NoError(p.t, errors.Join(err, resp.Body.Close()))
	require.Equal(p.t, http.StatusOK, resp.StatusCode)
}

func TestAnOldBackupIsAnAlert(t *testing.T) {
	p := start(t, "backup")
	p.backUp()
	newAlerts(t).fires(t, 27*time.Hour, 30*time.Minute, p, nothing, "BellhopBackupOld")
}

// One address may have half of the connections.
func TestRefusedConnectionsAreAnAlert(t *testing.T) {
	p, a := start(t, "refused", fewFiles, "BELLHOP_TRUSTED_PROXIES=none"), newAlerts(t)
	a.run(2*time.Minute, time.Minute, []*process{p}, nothing)
	p.client.CloseIdleConnections()
	p.await("no connection is open", func() bool { return p.metric("bellhop_network_connections ") == 0 })
	for range 40 {
		conn, err := net.Dial("tcp", p.public)
		require.NoError(t, err)
		t.Cleanup(func() { _ = conn.Close() })
	}
	a.fires(t, 7*time.Minute, time.Minute, p, p.refuse, "BellhopConnectionsRefused")
}

// refuse opens a connection and waits until the process has closed it.
func (p *process) refuse() {
	p.t.Helper()
	conn, err := net.Dial("tcp", p.public)
	require.NoError(p.t, err)
	defer conn.Close()
	require.NoError(p.t, conn.SetReadDeadline(time.Now().Add(timeout)))
	_, err = conn.Read(make([]byte, 1))
	require.Error(p.t, err)
	require.NotErrorIs(p.t, err, os.ErrDeadlineExceeded)
}

func TestNATSServersThatDoNotSyncAreAnAlert(t *testing.T) {
	nats := natsserver.Start(t, natsserver.Options{Servers: 1, Unsynced: true})
	p := node(t, "unsynced", nats.URL, "BELLHOP_NATS_MONITOR="+nats.Servers[0].Monitor)
	p.await("the server was checked", func() bool { return p.metric(`bellhop_nats_servers{state="unsynced"}`) == 1 })
	newAlerts(t).fires(t, 4*time.Minute, time.Minute, p, nothing, "BellhopNATSServersUnsynced", "BellhopNotReady")
}

func TestANATSServerThatCannotBeReachedIsAnAlert(t *testing.T) {
	nats := natsserver.Start(t, natsserver.Options{Servers: 1})
	p := node(t, "unreachable", nats.URL, "BELLHOP_NATS_MONITOR="+nats.Servers[0].Monitor+",http://"+natsserver.FreePorts(t, 1)[0])
	p.await("the servers were checked", func() bool { return p.metric(`bellhop_nats_servers{state="unreachable"}`) == 1 })
	newAlerts(t).fires(t, 12*time.Minute, time.Minute, p, nothing, "BellhopNATSServersUnreachable")
}
