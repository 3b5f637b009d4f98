//go:build linux

package main

import (
	"fmt"

	"github.com/bellhop/bellhop/test/load/bench/stats"
)

// target is what the figures of a row should come to.
type target struct {
	text string
	met  func(measured) bool // nil: the figures are only noted
}

// measured are the figures of a row, and the time that an fsync takes.
type measured struct {
	floor, service, ratio, fsync stats.Series
}

// verdict says whether the target was met; nothing if there is none, or if
// what it takes was not measured.
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

// atMost wants the service's figure to be no more than limit. What is beside
// the limit, such as a further aim, is said and not judged.
func atMost(limit float64, beside string) target {
	return target{"at most " + figure(limit) + beside, func(m measured) bool { return m.service.Median() <= limit }}
}

// ratioAtMost wants the service to take no more than limit times what the floor
// takes.
func ratioAtMost(limit float64) target {
	return target{
		"at most " + figure(limit) + " × floor",
		func(m measured) bool { return len(m.ratio) > 0 && m.ratio.Median() <= limit },
	}
}

// ratioBelow wants less than that.
func ratioBelow(limit float64) target {
	return target{
		"below " + figure(limit) + " × floor",
		func(m measured) bool { return len(m.ratio) > 0 && m.ratio.Median() < limit },
	}
}

// floorPlus wants the service to take no more than so many milliseconds longer
// than the floor.
func floorPlus(ms float64) target {
	return target{
		fmt.Sprintf("at most floor + %g ms", ms),
		func(m measured) bool { return len(m.floor) > 0 && m.service.Median() <= m.floor.Median()+ms },
	}
}

// fsyncPlus wants it to take no longer than one fsync and so many milliseconds.
func fsyncPlus(ms float64) target {
	return target{
		fmt.Sprintf("at most one fsync + %g ms", ms),
		func(m measured) bool { return len(m.fsync) > 0 && m.service.Median() <= m.fsync.Median()+ms },
	}
}
