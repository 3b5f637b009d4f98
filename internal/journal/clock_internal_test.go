package journal

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

// However the machine's clock is set, times do not decrease, do not stand still while
// time passes, and are the machine's once that has caught up.
func TestTimesNeverDecrease(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		machine := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
		c := newClock(machine.Add(time.Duration(rapid.Int64Range(-1e12, 1e12).Draw(t, "last"))))
		for range rapid.IntRange(1, 20).Draw(t, "entries") {
			passed := time.Duration(rapid.Int64Range(0, 1e11).Draw(t, "passed"))
			machine = machine.Add(passed + time.Duration(rapid.Int64Range(-1e11, 1e11).Draw(t, "set")))
			last := c.last
			at := c.next(machine, passed)
			switch {
			case at.Before(last):
				t.Fatalf("%v comes after %v", at, last)
			case passed >= 2 && machine.Before(last) && !at.After(last):
				t.Fatalf("%v passed, and the time is still %v", passed, at)
			case !machine.Before(last) && !at.Equal(machine):
				t.Fatalf("the time is %v, want the machine's, %v", at, machine)
			}
		}
	})
}

func TestAClockThatWasSetBackCatchesUp(t *testing.T) {
	machine := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	c := newClock(machine.Add(10 * time.Second))
	assert.Equal(t, machine.Add(11*time.Second), c.next(machine.Add(2*time.Second), 2*time.Second))
	assert.Equal(t, machine.Add(15*time.Second), c.next(machine.Add(10*time.Second), 8*time.Second))
	assert.Equal(t, machine.Add(20*time.Second), c.next(machine.Add(20*time.Second), 10*time.Second))
	assert.Equal(t, machine.Add(20*time.Second), c.next(machine.Add(20*time.Second), 0))
}
