package config

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// unit is a unit that a number in a setting may have.
type unit struct {
	name string
	size int64
}

// The units of durations, in seconds, and those of sizes, in bytes; the largest first.
// Values are shown in the first unit that divides them.
var (
	durationUnits = []unit{
		{"d", 86_400}, {"h", 3_600}, {"m", 60}, {"s", 1},
	}
	sizeUnits = []unit{
		{"TiB", 1 << 40},
		{"GiB", 1 << 30},
		{"MiB", 1 << 20},
		{"KiB", 1 << 10},
		{"TB", 1e12},
		{"GB", 1e9},
		{"MB", 1e6},
		{"kB", 1e3},
		{"B", 1},
	}
)

// Forms of numbers, as mistakes name them.
const (
	aNumber   = "a whole number"
	aDuration = "a duration such as 30d, 12h, 5m, 90s or 1h30m, in whole numbers of d, h, m and s, nor a whole number of seconds"
	aSize     = "a size such as 256MiB or 1GB, a whole number of B, kB, MB, GB, TB, KiB, MiB, GiB or TiB, nor a whole number of bytes"
)

// parseDuration returns a number of seconds: a whole number, or whole numbers with units, the
// largest unit first.
func parseDuration(text string) (int64, bool) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, true
	}
	if !regexp.MustCompile(`^(\d+d)?(\d+h)?(\d+m)?(\d+s)?$`).MatchString(text) {
		return 0, false
	}
	total := int64(0)
	for _, part := range regexp.MustCompile(`\d+[dhms]`).FindAllString(text, -1) {
		n := times(part[:len(part)-1], part[len(part)-1:], durationUnits)
		if total += n; total < 0 || n == math.MaxInt64 {
			return math.MaxInt64, true
		}
	}
	return total, true
}

// Duration returns the duration that text has in the form of settings, for flags and arguments of commands that are not settings.
func Duration(text string) (time.Duration, bool) {
	n, ok := parseDuration(text)
	const most = int64(math.MaxInt64 / time.Second)
	return time.Duration(min(max(n, -most), most)) * time.Second, ok && text != ""
}

// parseSize returns a number of bytes: a whole number, or one with a unit. Upper and lower case
// are the same.
func parseSize(text string) (int64, bool) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, true
	}
	parts := regexp.MustCompile(`^(\d+) ?([A-Za-z]+)$`).FindStringSubmatch(text)
	if parts == nil || !slices.ContainsFunc(sizeUnits, func(u unit) bool { return strings.EqualFold(u.name, parts[2]) }) {
		return 0, false
	}
	return times(parts[1], parts[2], sizeUnits), true
}

// times returns the product of digits and a unit, or the largest number if that is less.
func times(digits, name string, units []unit) int64 {
	i := slices.IndexFunc(units, func(u unit) bool { return strings.EqualFold(u.name, name) })
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n > math.MaxInt64/units[i].size {
		return math.MaxInt64
	}
	return n * units[i].size
}

// showDuration returns d as parseDuration reads it.
func showDuration(d time.Duration) string { return inUnits(int64(d/time.Second), "s", durationUnits) }

// showSize returns n bytes as parseSize reads them.
func showSize(n int64) string { return inUnits(n, "", sizeUnits[:len(sizeUnits)-1]) }

// inUnits returns n in the first unit that divides it, or with the name of ones.
func inUnits(n int64, ones string, units []unit) string {
	for _, u := range units {
		if n != 0 && n%u.size == 0 {
			return strconv.FormatInt(n/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10) + ones
}

// parseNumber returns the number that text holds, which must be within the bounds of the field.
func (f field) parseNumber(text string) (int64, error) {
	kind := aNumber
	var n int64
	var ok bool
	switch {
	case f.isDuration():
		kind = aDuration
		n, ok = parseDuration(text)
	case f.isSize():
		kind = aSize
		n, ok = parseSize(text)
	default:
		var err error
		n, err = strconv.ParseInt(text, 10, 64)
		ok = err == nil
	}
	least, most := f.bound("min", 0), f.bound("max", maxNumber)
	switch {
	case !ok && kind != aNumber:
		return 0, fmt.Errorf("%q is neither %s", text, kind)
	case !ok:
		return 0, fmt.Errorf("%q is not %s", text, kind)
	case n < least:
		return 0, fmt.Errorf("%s is less than the minimum of %s", text, f.shown(least))
	case n > most:
		return 0, fmt.Errorf("%s is more than the maximum of %s", text, f.shown(most))
	}
	return n, nil
}

// maxNumber is the maximum of settings without one of their own. Every float64 holds it
// exactly, and a duration holds as many microseconds.
const maxNumber = 1 << 50

func (f field) bound(tag string, otherwise int64) int64 {
	if n, err := strconv.ParseInt(f.tag.Get(tag), 10, 64); err == nil {
		return n
	}
	return otherwise
}

func (f field) isDuration() bool {
	_, is := f.value.Interface().(time.Duration)
	return is
}

func (f field) isSize() bool { return f.tag.Get("unit") == "bytes" }

// shown returns the number n, in seconds if it is a duration, as it is shown to people.
func (f field) shown(n int64) string {
	switch {
	case f.isDuration():
		return inUnits(n, "s", durationUnits)
	case f.isSize():
		return showSize(n)
	}
	return strconv.FormatInt(n, 10)
}
