package monitor

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	rulesDir = "../prometheus"
	guide    = "../../../cmd/bellhop/README.md"
)

// rules returns the alerts.
func rules(t *testing.T) []rulefmt.Rule {
	t.Helper()
	all, err := readRules()
	require.NoError(t, err)
	return all
}

func readRules() (all []rulefmt.Rule, err error) {
	groups, errs := rulefmt.ParseFile(rulesDir+"/alerts.yaml", false, model.LegacyValidation, parser.NewParser(parser.Options{}), promslog.NewNopLogger())
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for _, g := range groups.Groups {
		all = append(all, g.Rules...)
	}
	return all, nil
}

// alerts evaluates rules on a history, as Prometheus does: an alert fires when its expression
// has had a result for its duration.
type alerts struct {
	history *history
	rules   []rulefmt.Rule
	since   map[string]map[string]time.Time // by alert and labels: since when there is a result
	shown   map[string]*series              // of ALERTS, in the last evaluation
}

func newAlerts(t *testing.T) *alerts {
	return &alerts{history: newHistory(t), rules: rules(t), since: map[string]map[string]time.Time{}}
}

// evaluate evaluates all rules at the present time, and returns the names of the alerts that fire. The history has the
// series ALERTS afterwards, as that of Prometheus has.
func (a *alerts) evaluate() []string {
	firing, shown := map[string]bool{}, map[string]*series{}
	for _, r := range a.rules {
		now, before := map[string]time.Time{}, a.since[r.Alert]
		for _, s := range a.history.query(r.Expr) {
			key := s.Metric.String()
			now[key] = a.history.now
			if since, ok := before[key]; ok {
				now[key] = since
			}
			state := "pending"
			if a.history.now.Sub(now[key]) >= time.Duration(r.For) {
				firing[r.Alert], state = true, "firing"
			}
			l := labels.NewBuilder(s.Metric).Set("__name__", "ALERTS").Set("alertname", r.Alert).Set("alertstate", state).
				Set("severity", r.Labels["severity"]).Labels()
			shown[l.String()] = a.history.add(l, a.history.number(1))
		}
		a.since[r.Alert] = now
	}
	a.history.end(a.shown, shown)
	a.shown = shown
	return slices.Sorted(maps.Keys(firing))
}

// The tool of Prometheus checks the rules and the configuration, and runs the tests of the rules.
func TestPromtoolAcceptsTheRules(t *testing.T) {
	for _, args := range [][]string{
		{"check", "config", "prometheus.yaml"},
		{"check", "rules", "--lint-fatal", "alerts.yaml"},
		{"test", "rules", "alerts_test.yaml"},
	} {
		c := exec.CommandContext(t.Context(), "promtool", args...)
		c.Dir = rulesDir
		out, err := c.CombinedOutput()
		require.NoError(t, err, "promtool %s: %s", strings.Join(args, " "), out)
	}
}

// The guide has a section for each alert, to which the alert links, and for nothing else.
func TestTheGuideExplainsEachAlert(t *testing.T) {
	text, err := os.ReadFile(guide)
	require.NoError(t, err)
	sections := map[string]bool{}
	for _, found := range regexp.MustCompile(`(?m)^### (Bellhop\w+)\n\n(Page|Ticket)\. `).FindAllStringSubmatch(string(text), -1) {
		sections[found[1]+" "+strings.ToLower(found[2])] = true
	}
	for _, r := range rules(t) {
		section := r.Alert + " " + r.Labels["severity"]
		assert.True(t, sections[section], "the guide has no section %s", section)
		delete(sections, section)
		assert.Equal(t, "cmd/bellhop/README.md#"+strings.ToLower(r.Alert), r.Annotations["runbook_url"])
		assert.NotEmpty(t, r.Annotations["summary"])
	}
	assert.Empty(t, sections, "no alert has these")
}

// Rules, the dashboard and the queries of the guide use metrics that exist.
func TestMetricsOfRulesAreInTheReference(t *testing.T) {
	reference, err := os.ReadFile("../../../cmd/bellhop/metrics.md")
	require.NoError(t, err)
	known := string(reference)
	exprs := append(dashboard(t).exprs(), guideExprs(t)...)
	for _, r := range rules(t) {
		exprs = append(exprs, r.Expr)
	}
	for _, expr := range exprs {
		for _, name := range regexp.MustCompile(`bellhop_\w+`).FindAllString(expr, -1) {
			base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
			assert.True(t, strings.Contains(known, "`"+name+"`") || strings.Contains(known, "`"+base+"` | histogram"), "%s in %s", name, expr)
		}
	}
}
