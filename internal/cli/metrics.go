package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

type metricsCommand struct {
	Names []string `arg:"" optional:"" name:"part" help:"parts of names, such as disk (default: all metrics of bellhop)"`

	admin `embed:""`
}

// Help says what is printed.
func (*metricsCommand) Help() string {
	return "Prints the metrics of a running service whose names contain one of the parts, as /metrics has them at this moment. " +
		"Sizes and times are printed for people, too. The buckets of histograms are left out. Example: bellhop metrics disk store_failing"
}

// Run prints metrics. It fails if there are none with such a name.
func (c *metricsCommand) Run(t *terminal) error {
	base, err := c.resolve(t)
	if err != nil {
		return err
	}
	text, err := getAdmin(t.ctx, base+"/metrics")
	if err != nil {
		return err
	}
	parts, found := c.Names, 0
	if len(parts) == 0 {
		parts = []string{"bellhop_"}
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		name, _, _ := strings.Cut(line, " ")
		name, _, _ = strings.Cut(name, "{")
		if name == "#" || name == "" || strings.HasSuffix(name, "_bucket") ||
			!slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(name, part) }) {
			continue
		}
		found++
		if _, err := fmt.Fprintln(t.stdout, printable(readableMetric(name, line))); err != nil {
			return err
		}
	}
	if found == 0 {
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
	line = line[:space+1] + strconv.FormatFloat(value, 'f', -1, 64)
	switch {
	case strings.HasSuffix(name, "_timestamp_seconds"):
		return line + " (" + time.UnixMilli(int64(value*1000)).UTC().Format(time.RFC3339) + ")" //nolint:mnd // milliseconds
	case strings.HasSuffix(name, "_bytes"):
		return line + " (" + byteSize(int64(value)) + ")"
	}
	return line
}
