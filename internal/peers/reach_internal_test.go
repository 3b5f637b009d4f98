package peers

import (
	"bytes"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// A node is cut off from the others when its own beats have not come back for five seconds of a
// connection. It subscribes again every five seconds from then on, until one comes back.
func TestReachOfANode(t *testing.T) {
	t.Parallel()
	span := func(from, to int) (seconds []int) {
		for s := from; s <= to; s++ {
			seconds = append(seconds, s)
		}
		return seconds
	}
	for name, c := range map[string]struct {
		connected, beats []int // seconds
		renewed          []int // the same
		logged           int   // lines
	}{
		"all beats come back":       {span(0, 30), span(0, 30), nil, 0},
		"none ever comes back":      {span(0, 16), nil, []int{5, 10, 15}, 1},
		"none comes back for 4 s":   {span(0, 30), append(span(0, 10), span(15, 30)...), nil, 0},
		"none comes back for 7 s":   {span(0, 30), append(span(0, 10), span(18, 30)...), []int{15}, 2},
		"there is no connection":    {nil, nil, nil, 0},
		"the connection is lost":    {append(span(0, 10), span(25, 40)...), append(span(0, 10), span(26, 40)...), nil, 0},
		"it comes back without all": {append(span(0, 10), span(25, 31)...), span(0, 10), []int{30}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			r := reach{logger: slog.New(slog.NewTextHandler(&log, nil)), prefix: "bellhop.TEST.peers."}
			start := time.Unix(1_800_000_000, 0)
			var own time.Time
			var renewed []int
			for s, in := range span(0, 40) {
				now := start.Add(time.Duration(s) * time.Second)
				if slices.Contains(c.beats, in) {
					own = now
				}
				if r.tick(now, slices.Contains(c.connected, in), own) {
					renewed = append(renewed, in)
				}
			}
			assert.Equal(t, c.renewed, renewed)
			assert.Equal(t, c.logged, strings.Count(log.String(), "\n"), log.String())
		})
	}
}
