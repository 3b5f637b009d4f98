package cli

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// reading is an answer of /metrics.
type reading struct {
	kinds   map[string]string // by the name of a metric
	series  []string          // with their labels, in order, without buckets
	values  map[string]float64
	buckets map[string][]bucket // by the series of a histogram's count, ascending
}

// bucket counts the observations up to a bound.
type bucket struct{ bound, count float64 }

// processStart is the metric that differs after a restart.
const processStart = "process_start_time_seconds"

var boundLabel = regexp.MustCompile(`,?le="([^"]*)"`)

// readMetrics reads an answer of /metrics. Lines that it does not know are left out.
func readMetrics(text string) *reading {
	r := &reading{kinds: map[string]string{}, values: map[string]float64{}, buckets: map[string][]bucket{}}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if words := strings.Fields(line); len(words) == 4 && words[0] == "#" && words[1] == "TYPE" { //nolint:mnd // # TYPE name kind
			r.kinds[words[2]] = words[3]
			continue
		}
		series, number, ok := cutLast(line, " ")
		value, err := strconv.ParseFloat(number, 64)
		if !ok || err != nil || strings.HasPrefix(line, "#") {
			continue
		}
		if name, _, _ := strings.Cut(series, "{"); strings.HasSuffix(name, "_bucket") {
			r.addBucket(series, value)
			continue
		}
		r.series, r.values[series] = append(r.series, series), value
	}
	return r
}

func (r *reading) addBucket(series string, count float64) {
	label := boundLabel.FindStringSubmatch(series)
	if label == nil {
		return
	}
	bound, err := strconv.ParseFloat(label[1], 64)
	if err != nil {
		return
	}
	of := strings.TrimSuffix(strings.Replace(series, label[0], "", 1), "{}")
	of = strings.Replace(of, "_bucket", "_count", 1)
	r.buckets[of] = append(r.buckets[of], bucket{bound, count})
}

func cutLast(s, separator string) (before, after string, found bool) {
	if i := strings.LastIndex(s, separator); i >= 0 {
		return s[:i], s[i+len(separator):], true
	}
	return s, "", false
}

// growth returns a line for a series: of a counter, by how much it has grown since an earlier reading; of a
// histogram, the same of its count, with the mean of what was observed meanwhile, and a bound that 99 % of it
// did not exceed. ok is false if it has no line: it is the sum of a histogram, or has not grown.
func (r *reading) growth(before *reading, series string) (line string, ok bool) {
	name, _, _ := strings.Cut(series, "{")
	grown := r.values[series] - before.values[series]
	if r.kinds[name] == "counter" {
		return fmt.Sprintf("%s +%s", series, formatValue(grown)), grown != 0
	}
	metric, isCount := strings.CutSuffix(name, "_count")
	if r.kinds[metric] == "histogram" && isCount {
		sum := metric + "_sum" + series[len(name):]
		mean := (r.values[sum] - before.values[sum]) / grown
		return fmt.Sprintf("%s +%s, mean %s, 99 %% %s", series, formatValue(grown), inUnit(metric, mean), r.most(before, series, metric)), grown != 0
	}
	if metric, isSum := strings.CutSuffix(name, "_sum"); isSum && r.kinds[metric] == "histogram" {
		return "", false
	}
	return readableMetric(name, series+" "+formatValue(r.values[series])), true
}

// most returns the bound that 99 % of the observations since an earlier reading did not exceed.
func (r *reading) most(before *reading, count, metric string) string {
	all := r.values[count] - before.values[count]
	last := "of unknown size"
	for i, b := range r.buckets[count] {
		n := b.count
		if earlier := before.buckets[count]; i < len(earlier) {
			n -= earlier[i].count
		}
		switch enough := n >= 0.99*all; { //nolint:mnd // the percentile
		case enough && !math.IsInf(b.bound, 1):
			return "up to " + inUnit(metric, b.bound)
		case !math.IsInf(b.bound, 1):
			last = "over " + inUnit(metric, b.bound)
		}
	}
	return last
}

// inUnit returns a value of a metric, as a duration if it is one.
func inUnit(metric string, value float64) string {
	if strings.HasSuffix(metric, "_seconds") {
		return time.Duration(value * float64(time.Second)).Round(10 * time.Microsecond).String()
	}
	return formatValue(math.Round(value*100) / 100) //nolint:mnd // two digits
}

func formatValue(value float64) string { return strconv.FormatFloat(value, 'f', -1, 64) }
