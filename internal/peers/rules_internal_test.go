package peers

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// A version of the rules counts as known to all nodes when every node, this one included, was
// heard for a minute without an earlier version.
func TestRulesOfAllNodes(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	type beat struct {
		second int
		node   string // empty: this one
		rules  uint32
	}
	beats := func(node string, rules uint32, from, to int) (all []beat) {
		for s := from; s <= to; s++ {
			all = append(all, beat{s, node, rules})
		}
		return all
	}
	for name, c := range map[string]struct {
		beats [][]beat
		at    int
		rules uint32
	}{
		"no beat at all":               {nil, 90, 0},
		"it has just started":          {[][]beat{beats("", 3, 0, 59), beats("b", 3, 0, 59)}, 59, 0},
		"all nodes have it":            {[][]beat{beats("", 3, 0, 60), beats("b", 3, 0, 60), beats("c", 4, 0, 60)}, 60, 3},
		"another node has less":        {[][]beat{beats("", 3, 0, 60), beats("b", 2, 0, 60)}, 60, 2},
		"that node is restarting":      {[][]beat{beats("", 3, 0, 100), beats("b", 2, 0, 50)}, 100, 2},
		"it has come back with more":   {[][]beat{beats("", 3, 0, 100), beats("b", 2, 0, 50), beats("b", 3, 70, 100)}, 100, 3},
		"it has come back with less":   {[][]beat{beats("", 3, 0, 100), beats("b", 3, 0, 50), beats("b", 2, 70, 71)}, 100, 2},
		"it was removed":               {[][]beat{beats("", 3, 0, 120), beats("b", 2, 0, 50)}, 120, 3},
		"the servers are gone":         {[][]beat{beats("", 3, 0, 80), beats("b", 2, 0, 80)}, 150, 0},
		"the servers are back":         {[][]beat{beats("", 3, 0, 80), beats("b", 2, 0, 80), beats("", 3, 150, 160)}, 160, 0},
		"they are back for a minute":   {[][]beat{beats("", 3, 0, 80), beats("b", 2, 0, 80), beats("", 3, 150, 210), beats("b", 2, 151, 210)}, 210, 2},
		"a beat of this node was late": {[][]beat{beats("", 3, 0, 30), beats("", 3, 33, 60)}, 60, 3},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAnnouncements(3)
			for s := 0; s <= c.at; s++ {
				for _, from := range c.beats {
					for _, b := range from {
						switch now := start.Add(time.Duration(s) * time.Second); {
						case b.second != s:
						case b.node == "":
							a.heardOwn(now)
						default:
							a.heard(b.node, b.rules, now)
						}
					}
				}
			}
			assert.Equal(t, c.rules, a.common(start.Add(time.Duration(c.at)*time.Second)))
		})
	}
}
