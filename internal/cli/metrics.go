package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

type metricsCommand struct {
	Names []string      `arg:"" optional:"" name:"part" help:"parts of names, such as disk (default: all metrics of bellhop)"`
	Over  time.Duration `placeholder:"DURATION" help:"wait for this time, such as 10s, and print by how much counters and histograms have grown in it"`

	admin `embed:""`
}

// Help says what is printed.
func (*metricsCommand) Help() string {
	return "Prints the current metrics of a running service whose names contain one of the parts. " +
		"Sizes and times are also printed in units that are easy to read. The buckets of histograms are left out. Counters and histograms count from " +
		"the start of the service. With --over, the command watches them for some time and prints by how much they have grown, with the mean of a " +
		"histogram and a bound of 99 % of its observations; those that have not grown are left out. Examples: bellhop metrics disk store_failing; bellhop metrics --over 10s sync_duration"
}

// Run prints metrics. It fails if there are none with such a name.
func (c *metricsCommand) Run(t *terminal) error {
	base, err := c.resolve(t)
	if err != nil {
		return err
	}
	read := func() (*reading, error) {
		text, err := getAdmin(t.ctx, base+"/metrics")
		return readMetrics(string(text)), err
	}
	first, err := read()
	if err != nil {
		return err
	}
	line := func(series string) (string, bool) {
		name, _, _ := strings.Cut(series, "{")
		return readableMetric(name, series+" "+formatValue(first.values[series])), true
	}
	last := first
	if c.Over > 0 {
		select {
		case <-time.After(c.Over):
		case <-t.ctx.Done():
			return t.ctx.Err()
		}
		if last, err = read(); err != nil {
			return err
		}
		if last.values[processStart] != first.values[processStart] {
			return errors.New("the service was restarted meanwhile")
		}
		line = func(series string) (string, bool) { return last.growth(first, series) }
	}
	return c.print(t, last.series, line)
}

// print prints the lines of the series that are wanted.
func (c *metricsCommand) print(t *terminal, series []string, line func(string) (string, bool)) error {
	parts, found := c.Names, false
	if len(parts) == 0 {
		parts = []string{"bellhop_"}
	}
	for _, one := range series {
		name, _, _ := strings.Cut(one, "{")
		if !slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(name, part) }) {
			continue
		}
		found = true
		if text, ok := line(one); ok {
			if _, err := fmt.Fprintln(t.stdout, printable(text)); err != nil {
				return err
			}
		}
	}
	if !found {
		return fmt.Errorf("no metric has %s in its name", strings.Join(parts, " or "))
	}
	return nil
}

// readableMetric adds the size or the time that a line has to it.
func readableMetric(name, line string) string {
	space := strings.LastIndexByte(line, ' ')
	value, err := strconv.ParseFloat(line[space+1:], 64)
	if err != nil || value <= 0 {
		return line
	}
	line = line[:space+1] + formatValue(value)
	switch {
	case strings.HasSuffix(name, "_timestamp_seconds"):
		return line + " (" + time.UnixMilli(int64(value*1000)).UTC().Format(time.RFC3339) + ")" //nolint:mnd // milliseconds
	case strings.HasSuffix(name, "_bytes"):
		return line + " (" + byteSize(int64(value)) + ")"
	}
	return line
}
