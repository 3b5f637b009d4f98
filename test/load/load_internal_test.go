//go:build linux

package main

import (
	"os"
	"strings"
	"testing"
)

// These tests are inside the package, since a program has no outside but its
// processes.

func TestWritesATableAndKeepsTheProse(t *testing.T) {
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
		t.Error("a section that is not there: no error")
	}
}

func TestTheReadmeHasAPlaceForEveryTable(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range commands() {
		if _, err := between(string(page), c.section, ""); c.section != "" && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestATableRowHasMediansAndTheirRatio(t *testing.T) {
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
}

func TestFiguresHaveThreeDigits(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0.00", 0.256: "0.26", 12.34: "12.3", 999.6: "1,000", 1_234_567: "1,234,567",
	} {
		if got := figure(v); got != want {
			t.Errorf("%v: got %s, want %s", v, got, want)
		}
	}
}

func TestChoosesScenarios(t *testing.T) {
	chosen, err := choose(everything(), "storm,idle")
	if err != nil || len(chosen) != 2 || chosen[0].name != "storm" {
		t.Errorf("got %v, %v", chosen, err)
	}
	if _, err := choose(everything(), "nothing"); err == nil {
		t.Error("an unknown scenario: no error")
	}
}
