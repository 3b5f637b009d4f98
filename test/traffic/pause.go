package traffic

import "time"

// Pauses are the longest times during which a user had no acknowledgement, or no numbered
// notification arrived.
type Pauses struct{ Acknowledged, Delivered time.Duration }

// Longest returns the longer one.
func (p Pauses) Longest() time.Duration { return max(p.Acknowledged, p.Delivered) }

// PausesBetween returns the longest pauses of any user between two moments. A pause that began
// earlier counts from the first moment on. It must be called after Stop.
func (l *Load) PausesBetween(from, to time.Time) (longest Pauses) {
	for i, p := range l.pubs {
		longest.Acknowledged = max(longest.Acknowledged, longestPause(p.times, from, to))
		longest.Delivered = max(longest.Delivered, longestPause(l.subs[i].arrived, from, to))
	}
	return longest
}

// longestPause returns the longest time between two moments without one of times, which are
// ascending.
func longestPause(times []time.Time, from, to time.Time) (longest time.Duration) {
	last := from
	for _, at := range times {
		switch {
		case !at.After(from):
		case at.After(to):
			return max(longest, to.Sub(last))
		default:
			longest, last = max(longest, at.Sub(last)), at
		}
	}
	return max(longest, to.Sub(last))
}
