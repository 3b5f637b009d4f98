package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/config"
)

func TestMetrics(t *testing.T) {
	s := start(t)
	c := s.live("Rumpelstilzchen")
	s.publish("one", "Rumpelstilzchen")
	c.expect("one")
	c.drop()
	require.Eventually(t, func() bool { return s.metric(`bellhop_connections{transport="websocket"}`) == 0 }, timeout, timeout/1000)
	assert.EqualValues(t, 1, s.metric(`bellhop_publishes_total{audience="user",outcome="stored"}`))
	var ofAll strings.Builder
	s.onEachNode(func() {
		m := s.metrics()
		ofAll.WriteString(m)
		for _, name := range []string{
			"\nbellhop_queued_bytes 0\n", "bellhop_deliveries_total ", "bellhop_journal_group_entries_count",
			"bellhop_journal_commit_duration_seconds_count", "bellhop_store_disk_bytes",
		} {
			assert.Contains(t, m, name)
		}
	})
	assert.Contains(t, ofAll.String(), "bellhop_connections_closed_total{")
	assert.NotContains(t, ofAll.String(), "Rumpel", "metrics have no user names as labels")
	for path, want := range map[string]int{"/metrics": 421, "/debug/pprof/heap": 421} {
		r, err := http.NewRequest(http.MethodGet, "http://"+s.admin+path, nil)
		require.NoError(t, err)
		r.Host = "rebound.example"
		resp, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		assert.Equal(t, want, resp.StatusCode, path)
		require.NoError(t, resp.Body.Close())
	}
	resp, err := http.Get("http://" + s.admin + "/debug/pprof/")
	require.NoError(t, err)
	assert.Equal(t, 404, resp.StatusCode, "profiles are disabled by default")
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, 404, s.do(http.MethodGet, "/metrics", "").StatusCode, "the public listener serves no metrics")
}

// metric returns the value of a series, 0 if there is none. It is the sum of all nodes.
func (s *service) metric(series string) (sum float64) {
	s.t.Helper()
	for _, n := range s.nodes {
		if _, rest, found := strings.Cut(s.metricsOf(n.admin), "\n"+series+" "); found {
			var value float64
			_, err := fmt.Sscan(rest, &value)
			require.NoError(s.t, err)
			sum += value
		}
	}
	return sum
}

func TestMetricsCountWhatHappens(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Broadcasts = 1 })
	eventually := func(series string, want float64) {
		t.Helper()
		require.Eventually(t, func() bool { return s.metric(series) == want }, timeout, timeout/1000, "%s is %v", series, s.metric(series))
	}
	c := s.live("ada")
	s.publish("one", "ada")
	c.expect("one")
	eventually(`bellhop_connections{transport="websocket"}`, 1)
	eventually("bellhop_publish_duration_seconds_count", 1)
	eventually("bellhop_delivery_duration_seconds_count", 1)
	assert.Equal(t, mode == "", s.metric("bellhop_store_sync_duration_seconds_count") > 0, "nodes of a cluster do not sync")
	assert.Zero(t, s.metric("bellhop_replay_notifications_count"), "it came without a cursor")

	at := c.cursor
	c.drop()
	s.publish("two", "ada")
	s.publish("three", "ada")
	s.connect("ada", at).expect("two", "three", "live")
	eventually("bellhop_replay_notifications_sum", 2)
	eventually("bellhop_replay_notifications_count", 1)
	eventually("bellhop_delivery_duration_seconds_count", 1)
	c = s.connect("ada", "made-up")
	c.expect("reset", "one", "two", "three", "live")
	eventually(`bellhop_resets_total{reason="unknown"}`, 1)
	eventually("bellhop_replay_notifications_sum", 5)

	s.listen("", token(t, "ada"))
	eventually(`bellhop_connections{transport="events"}`, 1)

	c.send(`{"event":"nonsense","ref":"1"}`)
	eventually(`bellhop_refusals_total{cause="",limit="",problem="invalid"}`, 1)
	s.do(http.MethodPost, "/notify", draft(t, "x", "ada"))
	eventually(`bellhop_refusals_total{cause="",limit="",problem="unauthenticated"}`, 1)
	for s.post("/notify", draft(t, "to all")).StatusCode == http.StatusAccepted {
		continue
	}
	eventually(`bellhop_refusals_total{cause="",limit="broadcasts",problem="limit"}`, 1)

	assert.EqualValues(t, len(s.nodes), s.metric("bellhop_ready"))
	for _, name := range []string{"bellhop_disk_free_bytes", "bellhop_disk_size_bytes", "bellhop_disk_reserve_bytes", "bellhop_connections_limit", "bellhop_queued_bytes_limit"} {
		assert.NotZero(t, s.metric(name), name)
	}
}
