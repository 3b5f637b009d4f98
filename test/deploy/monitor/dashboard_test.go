package monitor

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/test/natsserver"
)

// board is the part of a Grafana dashboard that has queries.
type board struct {
	UID    string
	Panels []panel
}

type panel struct {
	ID         int
	Type       string
	Title      string
	Datasource struct{ UID string }
	Targets    []struct{ RefID, Expr, LegendFormat string }
}

func dashboard(t *testing.T) *board {
	t.Helper()
	text, err := os.ReadFile("../grafana/bellhop.json")
	require.NoError(t, err)
	var b board
	require.NoError(t, json.Unmarshal(text, &b))
	return &b
}

// exprs returns the queries, with the values of variables.
func (b *board) exprs() (all []string) {
	for _, p := range b.Panels {
		for _, target := range p.Targets {
			all = append(all, b.withValues(target.Expr))
		}
	}
	return all
}

func (*board) withValues(expr string) string {
	return strings.NewReplacer("$instance", ".*", "$__rate_interval", "2m").Replace(expr)
}

func TestPanelsAreComplete(t *testing.T) {
	b := dashboard(t)
	ids := map[int]bool{}
	for _, p := range b.Panels {
		assert.False(t, ids[p.ID], "two panels have the ID %d", p.ID)
		ids[p.ID] = true
		assert.NotEmpty(t, p.Title)
		if p.Type == "row" {
			continue
		}
		assert.Equal(t, "${datasource}", p.Datasource.UID, p.Title)
		assert.NotEmpty(t, p.Targets, p.Title)
		for _, target := range p.Targets {
			assert.NotEmpty(t, target.LegendFormat, p.Title)
			assert.Regexp(t, `\$instance|ALERTS`, target.Expr, "%s cannot be limited to a node", p.Title)
		}
	}
}

// guideExprs returns the queries of the guide: each line of its blocks of PromQL.
func guideExprs(t *testing.T) (all []string) {
	t.Helper()
	text, err := os.ReadFile(guide)
	require.NoError(t, err)
	for _, block := range regexp.MustCompile("(?s)```promql\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		for line := range strings.Lines(block[1]) {
			if line = strings.TrimSpace(line); line != "" {
				all = append(all, line)
			}
		}
	}
	require.Greater(t, len(all), 10)
	return all
}

// panel evaluates the first query of a panel.
func (h *history) panel(title string) promql.Vector {
	h.t.Helper()
	b := dashboard(h.t)
	i := slices.IndexFunc(b.Panels, func(p panel) bool { return p.Title == title })
	require.GreaterOrEqual(h.t, i, 0, title)
	return h.query(b.withValues(b.Panels[i].Targets[0].Expr))
}

// Two healthy processes with some traffic, one alone and one of a cluster, are scraped for half an
// hour, the last times while hundreds of notifications are published and received: no alert fires, each query of the
// dashboard and of the guide has data, and those of the traffic show it.
func TestTheDashboardShowsTrafficAndNoAlertFires(t *testing.T) {
	keys := newKeySet(t)
	nats := natsserver.Start(t, natsserver.Options{Servers: 1})
	one := start(t, "alone", append(keys.settings(t), certificate(t, 90*24*time.Hour)...)...)
	two := node(t, "clustered", nats.URL, "BELLHOP_NATS_MONITOR="+nats.Servers[0].Monitor)
	both := []*process{one, two}
	for _, p := range both {
		p.awaitReady()
	}
	one.backUp()
	a, minute, finish := newAlerts(t), 0, nothing
	firing := a.run(29*time.Minute, time.Minute, both, func() {
		finish()
		finish = nothing
		for _, p := range both {
			p.visit()
		}
		if minute++; minute > 26 { // the last ones, which are seen in the end
			one.awaitUpkeep()
			finish = loadAll(both)
		}
	})
	defer finish()
	assert.Empty(t, firing)
	for _, title := range []string{
		"Publishes by outcome", "Publish to 202", "Publish to socket", "Closed by code and reason", "Refusals by reason",
		"Notifications replayed to a connection", "Entries committed", "Time of a sync", "Opened by transport", "Commands on sockets",
	} {
		result := a.history.panel(title)
		assert.True(t, slices.ContainsFunc(result, func(s promql.Sample) bool { return s.F > 0 }), "nothing in %s: %s", title, text(result))
	}
	for _, p := range both {
		of := func(expr string) float64 { return a.history.one(fmt.Sprintf(expr, p.name)) }
		assert.GreaterOrEqual(t, of(`sum(bellhop_connections{instance=%q})`), float64(listeners), "it was scraped under load")
		assert.Greater(t, of(`increase(bellhop_publishes_total{instance=%q,audience="user",outcome="stored"}[2m])`), float64(listeners*publishers))
		assert.Greater(t, of(`increase(bellhop_deliveries_total{instance=%q}[2m])`), float64(listeners*publishers))
		assert.Greater(t, of(`sum(increase(bellhop_connections_closed_total{instance=%q}[2m]))`), float64(listeners))
		assert.Positive(t, of(`sum(increase(bellhop_refusals_total{instance=%q,problem="token-invalid"}[2m]))`))
		assert.Greater(t, of(`time() - min(bellhop_issuer_key_change_timestamp_seconds{instance=%q})`), 29*60., "the secret is in the settings")
		assert.Positive(t, of(`increase(bellhop_replay_notifications_sum{instance=%q}[2m])`))
	}
	for _, expr := range append(dashboard(t).exprs(), guideExprs(t)...) {
		result := a.history.query(expr)
		hasNumber := slices.ContainsFunc(result, func(s promql.Sample) bool { return !math.IsNaN(s.F) })
		assert.True(t, hasNumber, "no data for %s: %s", expr, text(result))
	}
}

// loadAll loads all processes at once.
func loadAll(all []*process) (finish func()) {
	var finishes []func()
	for _, p := range all {
		finishes = append(finishes, p.load())
	}
	return func() {
		for _, f := range finishes {
			f()
		}
	}
}

func TestTheDashboardCountsFiringAlerts(t *testing.T) {
	p, a := start(t, "gone"), newAlerts(t)
	require.Empty(t, a.run(2*time.Minute, time.Minute, []*process{p}, nothing))
	count := func() float64 {
		result := a.history.panel("Firing alerts")
		require.Len(t, result, 1)
		return result[0].F
	}
	require.Zero(t, count())
	p.kill()
	require.Empty(t, a.run(time.Minute, time.Minute, []*process{p}, nothing))
	require.Zero(t, count(), "it is pending")
	require.NotEmpty(t, a.history.query(`ALERTS{alertname="BellhopDown",alertstate="pending"}`))
	a.fires(t, 3*time.Minute, time.Minute, p, nothing, "BellhopDown")
	require.InDelta(t, 1, count(), 0)
}
