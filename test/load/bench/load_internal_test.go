//go:build linux

package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/bellhop/bellhop/test/load/bench/stats"
)

// These tests are in the package itself, because package main cannot be imported.

func TestWritingATableKeepsTheRestOfThePage(t *testing.T) {
	page := "before\n<!-- targets -->\n\nold\n\n<!-- end of targets -->\nafter\n"
	got, err := between(page, "targets", "| new |\n")
	want := "before\n<!-- targets -->\n\n| new |\n\n<!-- end of targets -->\nafter\n"
	if err != nil || got != want {
		t.Errorf("got %q, %v", got, err)
	}
	if again, err := between(got, "targets", "| new |\n"); err != nil || again != got {
		t.Errorf("a second time: %q, %v", again, err)
	}
	if _, err := between(page, "other", ""); err == nil {
		t.Error("an unknown section: no error")
	}
}

func TestReadmeHasMarkersForEveryTable(t *testing.T) {
	page, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range commands() {
		if _, err := between(string(page), c.section, ""); c.section != "" && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTableRowHasMediansAndTheirRatio(t *testing.T) {
	r := newResults()
	for _, v := range []float64{10, 30, 20} {
		r.add("broadcast cpu", floor, v)
		r.add("broadcast cpu", service, v*1.5)
	}
	want := "| 20.0 (10.0–30.0) | 30.0 (15.0–45.0) | 1.50 |"
	if got := targetTable(r); !strings.Contains(got, want) {
		t.Errorf("got\n%s\nwant %s", got, want)
	}
	if got := targetTable(r); strings.Count(got, "\n") != 3 {
		t.Errorf("rows that were not measured:\n%s", got)
	}
	if got := targetTable(r); !strings.HasSuffix(got, "| at most 1.05 × floor | no |\n") {
		t.Errorf("got\n%swant the target and that it was missed", got)
	}
}

func TestTargetIsMetByTheMedian(t *testing.T) {
	figures := measured{
		floor:   stats.Series{10, 10, 40},
		service: stats.Series{13, 12, 99},
		ratio:   stats.Series{1.3, 1.2, 9},
		fsync:   stats.Series{12},
	}
	for _, c := range []struct {
		target  target
		text    string
		verdict string
	}{
		{noted(), "noted", ""},
		{atMost(13, "; aim 3"), "at most 13.0; aim 3", "yes"},
		{atMost(12.9, ""), "at most 12.9", "no"},
		{atLeast(13), "at least 13.0", "yes"},
		{atLeast(13.1), "at least 13.1", "no"},
		{ratioAtMost(1.3).of("alone"), "at most 1.30 × alone", "yes"},
		{ratioAtMost(1.3), "at most 1.30 × floor", "yes"},
		{ratioAtMost(1.29), "at most 1.29 × floor", "no"},
		{ratioBelow(1.3), "below 1.30 × floor", "no"},
		{ratioBelow(1.31), "below 1.31 × floor", "yes"},
		{floorPlus(3), "at most floor + 3 ms", "yes"},
		{floorPlus(0.3), "at most floor + 0.3 ms", "no"},
		{fsyncPlus(1), "at most one fsync + 1 ms", "yes"},
		{fsyncPlus(0.5), "at most one fsync + 0.5 ms", "no"},
	} {
		if got := c.target.verdict(figures); c.target.text != c.text || got != c.verdict {
			t.Errorf("%s: got %q, want %s %q", c.target.text, got, c.text, c.verdict)
		}
	}
	if got := atMost(1, "").verdict(measured{floor: stats.Series{1}}); got != "" {
		t.Errorf("a service that was not measured: %q", got)
	}
	if got := ratioAtMost(1).verdict(measured{service: stats.Series{1}}); got != "no" {
		t.Errorf("a ratio to nothing: %q", got)
	}
}

func TestClusterMeetsATargetWithEveryNumberOfNodes(t *testing.T) {
	r := newResults()
	for i, which := range clusterSides {
		r.add("stored, 2000/s rate", which, 2_000)
		r.add("stored, 2000/s p50", which, 9*float64(i)-1) // 8 ms with one node, 17 ms with two
		r.add("batch, 64 rate", which, 25_000-float64(i))
		r.add("batch, 64 cpu", which, 10+float64(i)) // 1.3 times that of the service alone with three nodes
	}
	r.add("stored, 64 follower cpu", "3 nodes", 15.1)
	r.add("batch, 64 follower cpu", "3 nodes", 14.9)
	got := clusterTable(r)
	for row, want := range map[string]string{
		"| stored, 2000/s | p50 to a socket, ms |":             "| at most 8.00 | no |",
		"| batch, 64 | notifications/s |":                      "| at least 20,000 | yes |",
		"| batch, 64 | CPU of the publishing node, µs |":       "| at most 1.30 × alone | yes |",
		"| stored, 64 | CPU of the publishing node, µs |":      "| at most 1.30 × alone |  |",
		"| stored, 64 | CPU of a node that only follows, µs |": "| at most 15.0 | no |",
		"| batch, 64 | CPU of a node that only follows, µs |":  "| at most 15.0 | yes |",
		"| batch, 64 | p99 to a socket, ms |":                  "| noted |  |",
	} {
		_, found, _ := strings.Cut(got, row)
		if line, _, _ := strings.Cut(found, "\n"); !strings.HasSuffix(line, want) {
			t.Errorf("%s%s\nwant %s", row, line, want)
		}
	}
}

func TestCatchingUpHasATableOfItsOwn(t *testing.T) {
	r := newResults()
	if got := clusterTables(r); got != "" {
		t.Errorf("nothing was measured: %q", got)
	}
	r.add("catch-up entries", service, 999_000)
	r.add("catch-up time", fromStream, 7)
	r.add("catch-up time", fromCheckpoint, 1)
	want := "| a new node has all 999,000 notifications | from the stream | from a checkpoint |\n|---|---:|---:|\n| after, s | 7.00 | 1.00 |\n"
	if got := clusterTables(r); !strings.HasPrefix(got, want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRowsAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range targets() {
		if seen[row.metric] || row.metric == "" || row.target.text == "" {
			t.Errorf("row %+v", row)
		}
		seen[row.metric] = true
	}
}

func TestEveryUserHasOneTurnBeforeASecond(t *testing.T) {
	for _, c := range commands() {
		for name, whose := range map[string]turn{"in order": inOrder, "scattered": scattered} {
			users := c.sizes.fewUsers
			had := make([]int, users)
			for n := range 2 * users {
				had[whose(n, users)]++
			}
			if slices.Min(had) != 2 || slices.Max(had) != 2 {
				t.Errorf("%s, %d users: from %d to %d turns", name, users, slices.Min(had), slices.Max(had))
			}
		}
	}
}

func TestFiguresHaveAboutThreeDigits(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0.00", 0.256: "0.26", 12.34: "12.3", 999.6: "1,000", 1_234_567: "1,234,567",
	} {
		if got := figure(v); got != want {
			t.Errorf("%v: got %s, want %s", v, got, want)
		}
	}
}

func TestScenariosAreChosenByName(t *testing.T) {
	chosen, err := choose(everything(), "storm,idle")
	if err != nil || len(chosen) != 2 || chosen[0].name != "storm" {
		t.Errorf("got %v, %v", chosen, err)
	}
	if twice, err := choose(append(basics(), everything()...), "idle"); err != nil || len(twice) != 1 {
		t.Errorf("a scenario of two lists: got %v, %v", twice, err)
	}
	if _, err := choose(everything(), "nothing"); err == nil {
		t.Error("an unknown scenario: no error")
	}
}
