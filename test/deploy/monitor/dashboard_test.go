package monitor

import (
	"encoding/json"
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
	Panels []struct {
		ID         int
		Type       string
		Title      string
		Datasource struct{ UID string }
		Targets    []struct{ RefID, Expr, LegendFormat string }
	}
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
			all = append(all, strings.NewReplacer("$instance", ".*", "$__rate_interval", "2m").Replace(target.Expr))
		}
	}
	return all
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

// Two healthy processes with some traffic, one alone and one of a cluster, are scraped for half an
// hour: no alert fires, and each query of the dashboard and of the guide has data.
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
	a, minute := newAlerts(t), 0
	firing := a.run(29*time.Minute, time.Minute, both, func() {
		for _, p := range both {
			p.visit()
		}
		if minute++; minute > 26 { // the last ones, which are seen in the end
			one.awaitUpkeep()
		}
	})
	assert.Empty(t, firing)
	for _, expr := range append(dashboard(t).exprs(), guideExprs(t)...) {
		result := a.history.query(expr)
		hasNumber := slices.ContainsFunc(result, func(s promql.Sample) bool { return !math.IsNaN(s.F) })
		assert.True(t, hasNumber, "no data for %s: %s", expr, text(result))
	}
}
