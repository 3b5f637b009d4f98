//go:build linux

package main

import (
	"fmt"
	"strings"

	"github.com/bellhop/bellhop/test/load/bench/stats"
)

// target is a limit for the figures of a row.
type target struct {
	text string
	met  func(measured) bool // nil if there is no limit
}

// measured are the figures of a row, and the time that an fsync takes.
type measured struct {
	floor, service, ratio, fsync stats.Series
}

// verdict returns whether the target was met, or "" if there is no limit or the service
// was not measured.
func (t target) verdict(m measured) string {
	switch {
	case t.met == nil || len(m.service) == 0:
		return ""
	case t.met(m):
		return "yes"
	default:
		return "no"
	}
}

func noted() target { return target{text: "noted"} }

// atMost limits the service's figure. The note, such as a further aim, is printed after the
// limit.
func atMost(limit float64, note string) target {
	return target{"at most " + figure(limit) + note, func(m measured) bool { return m.service.Median() <= limit }}
}

// atLeast requires the service's figure to be at least limit.
func atLeast(limit float64) target {
	return target{"at least " + figure(limit), func(m measured) bool { return m.service.Median() >= limit }}
}

// of names what is compared with, instead of the floor.
func (t target) of(base string) target {
	t.text = strings.ReplaceAll(t.text, "floor", base)
	return t
}

// ratioAtMost limits the service's figure to limit times the floor's.
func ratioAtMost(limit float64) target {
	return target{
		"at most " + figure(limit) + " × floor",
		func(m measured) bool { return len(m.ratio) > 0 && m.ratio.Median() <= limit },
	}
}

// ratioBelow requires the service's figure to be less than limit times the floor's.
func ratioBelow(limit float64) target {
	return target{
		"below " + figure(limit) + " × floor",
		func(m measured) bool { return len(m.ratio) > 0 && m.ratio.Median() < limit },
	}
}

// floorPlus limits the service's figure to the floor's plus ms milliseconds.
func floorPlus(ms float64) target {
	return target{
		fmt.Sprintf("at most floor + %g ms", ms),
		func(m measured) bool { return len(m.floor) > 0 && m.service.Median() <= m.floor.Median()+ms },
	}
}

// fsyncPlus limits the service's figure to the time of one fsync plus ms milliseconds.
func fsyncPlus(ms float64) target {
	return target{
		fmt.Sprintf("at most one fsync + %g ms", ms),
		func(m measured) bool { return len(m.fsync) > 0 && m.service.Median() <= m.fsync.Median()+ms },
	}
}
