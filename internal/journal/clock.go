package journal

import "time"

// clock gives entries their times, which never decrease, also over restarts.
//
// If the clock of the machine is behind the last entry, since it was ahead by mistake
// and was set back, the times of entries go on at half its speed until it has caught up.
// They do not stand still, so that tickets and idempotency keys still end.
type clock struct {
	last time.Time // given out
	read time.Time // the machine's clock at that moment, with its monotonic reading
}

func newClock(last time.Time) clock { return clock{last: last, read: time.Now()} }

// now returns the time of an entry, by the machine's clock.
func (c *clock) now(machine time.Time) time.Time {
	return c.next(machine, machine.Sub(c.read))
}

// next returns the time of an entry by the machine's clock, passed after the one
// before.
func (c *clock) next(machine time.Time, passed time.Duration) time.Time {
	at := machine.Round(0) // without its monotonic reading, which comparing would use
	if at.Before(c.last) {
		at = c.last.Add(max(0, passed) / 2)
	}
	c.last, c.read = at, machine
	return at
}
