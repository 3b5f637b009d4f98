// Command metrics prints figures about the code of the service: for each package,
// and in total, the lines of code, the lengths of functions, the longest file, the
// imports that point up, and the number of exported names. Each argument is a version
// of the repository, such as a commit, and has a value in each cell. Without arguments
// the only version is the work tree.
//
//	go run ./test/house/metrics                      the work tree
//	go run ./test/house/metrics HEAD~20 HEAD         before → after
//	go run ./test/house/metrics HEAD "work tree"     the changes not yet committed
package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

func main() {
	versions := os.Args[1:]
	if len(versions) == 0 {
		versions = []string{workTree}
	}
	table, err := compare(context.Background(), versions)
	if err != nil {
		fmt.Fprintln(os.Stderr, "metrics:", err)
		os.Exit(1)
	}
	fmt.Print(table)
}

// column is one figure of the table.
type column struct {
	title string
	value func(*metrics) string
}

func columns() []column {
	number := func(of func(*metrics) int) func(*metrics) string {
		return func(m *metrics) string { return strconv.Itoa(of(m)) }
	}
	return []column{
		{"code lines", number(func(m *metrics) int { return m.code })},
		{"functions", number(func(m *metrics) int { return len(m.functions) })},
		{"function lines, median / p90 / longest", func(m *metrics) string {
			return fmt.Sprintf("%d / %d / %d", quantile(m.functions, 0.5), quantile(m.functions, 0.9), quantile(m.functions, 1))
		}},
		{"longest file", number(func(m *metrics) int { return m.largest })},
		{"imports up", number(func(m *metrics) int { return m.upward })},
		{"exported", number(func(m *metrics) int { return m.exported })},
	}
}

// compare returns a Markdown table of all versions, a row for each package that
// any of them has.
func compare(ctx context.Context, versions []string) (string, error) {
	var measured []map[string]*metrics
	var names []string
	for _, version := range versions {
		all, err := readSources(ctx, version)
		if err != nil {
			return "", err
		}
		packages, err := measure(all)
		if err != nil {
			return "", fmt.Errorf("%s: %w", version, err)
		}
		measured = append(measured, packages)
		for name := range packages {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(versions, " → ") + "\n\n" + table(slices.Compact(names), measured), nil
}

func table(names []string, versions []map[string]*metrics) string {
	var text strings.Builder
	header, rule := "| package |", "|---|"
	for _, c := range columns() {
		header += " " + c.title + " |"
		rule += "---:|"
	}
	text.WriteString(header + "\n" + rule + "\n")
	for _, name := range names {
		text.WriteString("| " + name + " |")
		for _, c := range columns() {
			text.WriteString(" " + cell(name, c, versions) + " |")
		}
		text.WriteString("\n")
	}
	return text.String()
}

// cell returns the figure of a package in each version; a dash for a version that
// lacks the package.
func cell(name string, c column, versions []map[string]*metrics) string {
	var values []string
	for _, packages := range versions {
		value := "–"
		if m := packages[name]; m != nil {
			value = c.value(m)
		}
		values = append(values, value)
	}
	return strings.Join(slices.Compact(values), " → ")
}
