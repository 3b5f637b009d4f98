package traffic

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestLongestPause(t *testing.T) {
	t.Parallel()
	start := time.Unix(1_800_000_000, 0)
	at := func(seconds ...int) (times []time.Time) {
		for _, s := range seconds {
			times = append(times, start.Add(time.Duration(s)*time.Second))
		}
		return times
	}
	for name, c := range map[string]struct {
		times    []int
		from, to int
		want     int
	}{
		"nothing happened":              {nil, 0, 10, 10},
		"nothing happened in this time": {[]int{1, 30}, 10, 20, 10},
		"at the beginning":              {[]int{1, 15, 18, 20}, 10, 20, 5},
		"in the middle":                 {[]int{10, 11, 18, 20}, 10, 20, 7},
		"at the end":                    {[]int{10, 11, 12, 30}, 10, 20, 8},
		"longer ones outside":           {[]int{0, 10, 14, 20, 90}, 10, 20, 6},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := longestPause(at(c.times...), at(c.from)[0], at(c.to)[0])
			assert.Equal(t, time.Duration(c.want)*time.Second, got)
		})
	}
}
