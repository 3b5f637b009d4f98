//go:build linux

package soak

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"
)

// ignoreMissing returns err, unless it says that a file is missing.
func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Faults returns the promises that were broken: about notifications, and about levels that grow. The
// disk may grow with what is kept, such as idempotency keys for 24 hours.
func (r *Result) Faults() (all []string) {
	for what, n := range map[string]int{"lost": r.Lost, "repeated": r.Repeated, "reordered": r.Reordered, "announced by reset": int(r.Resets)} {
		if n > 0 {
			all = append(all, fmt.Sprintf("%d %s", n, what))
		}
	}
	early, late := r.levels()
	keeps := 1.0
	if early.Kept > 0 {
		keeps = max(late.Kept/early.Kept, 1)
	}
	for _, l := range []struct {
		what        string
		early, late float64
		slack       float64
	}{
		{"resident memory", early.RSS, late.RSS, 16 * mebibyte},
		{"heap", early.Heap, late.Heap, 2 * mebibyte},
		{"goroutines", early.Goroutines, late.Goroutines, 20},
		{"open files", early.Files, late.Files, 30},
		{"disk", early.Disk * keeps, late.Disk, 16 * mebibyte},
	} {
		if l.late > 1.2*l.early+l.slack {
			all = append(all, fmt.Sprintf("%s grew from %.0f to %.0f", l.what, l.early, l.late))
		}
	}
	return all
}

// Table returns the result as Markdown.
func (r *Result) Table() string {
	early, late := r.levels()
	var b strings.Builder
	fmt.Fprintf(&b, "%d users, %d publishes/s, retention %v, for %v, with a restart after %v.\n\n",
		r.Options.Users, r.Options.Rate, r.Retention, r.Options.For, r.Restarted.Round(time.Second))
	fmt.Fprintf(&b, "| acknowledged | attempts refused | connections | marks | new keys | lost | repeated | reordered | resets |\n|%s\n", strings.Repeat("---:|", 9))
	fmt.Fprintf(&b, "| %d | %d | %d | %d | %d | %d | %d | %d | %d |\n\n",
		r.Acknowledged, r.Refused, r.Connections, r.Marks, r.Rotations, r.Lost, r.Repeated, r.Reordered, r.Resets)
	b.WriteString("| median of | third quarter | last quarter |\n|---|---:|---:|\n")
	for _, row := range []struct {
		what        string
		early, late float64
	}{
		{"resident memory, MiB", early.RSS / mebibyte, late.RSS / mebibyte},
		{"heap after a collection, MiB", early.Heap / mebibyte, late.Heap / mebibyte},
		{"goroutines", early.Goroutines, late.Goroutines},
		{"open files", early.Files, late.Files},
		{"kept, before compression, MiB", early.Kept / mebibyte, late.Kept / mebibyte},
		{"disk, MiB", early.Disk / mebibyte, late.Disk / mebibyte},
		{"p50 to a socket, ms", milliseconds(early.P50), milliseconds(late.P50)},
		{"p99 to a socket, ms", milliseconds(early.P99), milliseconds(late.P99)},
	} {
		fmt.Fprintf(&b, "| %s | %.1f | %.1f |\n", row.what, row.early, row.late)
	}
	return b.String()
}
