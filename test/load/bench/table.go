//go:build linux

package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/bellhop/bellhop/test/load/bench/stats"
)

// targetTable returns the rows that were measured, as Markdown.
func targetTable(r *results) string {
	var b strings.Builder
	b.WriteString("| what | unit | floor | service | ratio | target | met |\n|---|---|---:|---:|---:|---|---|\n")
	for _, row := range targets() {
		ours := r.of(row.metric, service)
		floorMetric := row.floor
		if floorMetric == "" {
			floorMetric = row.metric
		}
		base := r.of(floorMetric, floor)
		if len(ours)+len(base) == 0 {
			continue
		}
		m := measured{floor: base, service: ours, ratio: ours.Over(base), fsync: r.of(anFsync, floor)}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n",
			row.what, row.unit, cell(m.floor), cell(m.service), cell(m.ratio), row.target.text, row.target.verdict(m))
	}
	return b.String()
}

// durableTable returns the results of durable publishing, as Markdown.
func durableTable(r *results) string {
	var b strings.Builder
	b.WriteString("| what | notifications/s | p50 ms | p99 ms | p99.9 ms | CPU s per million |\n" +
		"|---|---:|---:|---:|---:|---:|\n")
	for _, row := range durable {
		fmt.Fprintf(&b, "| %s |", row.what)
		for _, figure := range []string{"rate", "p50", "p99", "p99.9", "cpu"} {
			fmt.Fprintf(&b, " %s |", cell(r.of(row.load+" "+figure, row.side)))
		}
		b.WriteByte('\n')
	}
	b.WriteString("\n| with all connections open and idle | floor | service |\n|---|---:|---:|\n")
	for _, row := range []struct{ what, metric string }{
		{"RSS per connection, B", "idle rss"},
		{"CPU per connect, µs", "connect cpu"},
		{"CPU, ms/s", "idle cpu"},
	} {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", row.what, cell(r.of(row.metric, floor)), cell(r.of(row.metric, service)))
	}
	return b.String()
}

// cell formats the median of a figure, with the lowest and highest value if they differ.
func cell(s stats.Series) string {
	if len(s) == 0 {
		return "–"
	}
	median := figure(s.Median())
	lowest, highest := s.Range()
	if figure(lowest) == figure(highest) {
		return median
	}
	return fmt.Sprintf("%s (%s–%s)", median, figure(lowest), figure(highest))
}

// figure formats v with about three significant digits.
func figure(v float64) string {
	switch {
	case v >= 100:
		return thousands(int64(math.Round(v)))
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}

func thousands(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}
