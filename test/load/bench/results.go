//go:build linux

package main

import "github.com/bellhop/bellhop/test/load/bench/stats"

// results are the figures of all rounds, by metric and side.
type results struct {
	figures map[string]map[side]stats.Series
}

func newResults() *results {
	return &results{figures: map[string]map[side]stats.Series{}}
}

func (r *results) add(metric string, of side, value float64) {
	if r.figures[metric] == nil {
		r.figures[metric] = map[side]stats.Series{}
	}
	r.figures[metric][of] = append(r.figures[metric][of], value)
}

// last returns the figure of the latest round.
func (r *results) last(metric string, of side) float64 {
	s := r.of(metric, of)
	return s[len(s)-1]
}

// of returns a metric's figures on one side, in the order of the rounds. It is empty if
// the metric was not measured there.
func (r *results) of(metric string, which side) stats.Series {
	return r.figures[metric][which]
}
