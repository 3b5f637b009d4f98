//go:build linux

package crowd

import "fmt"

// Faults counts violations of the service's promises.
type Faults struct {
	Lost         int64 // notifications that are missing in the order
	Repeated     int64 // notifications received again, or after a later one
	Misdelivered int64 // notifications of another user
	Unreadable   int64 // invalid frames and unknown events
	Resets       int64 // the server could not resume from its own cursor
	Closed       int64 // connections that the server ended
	First        string
}

// Any reports whether there was a fault.
func (f Faults) Any() bool {
	return f.Lost+f.Repeated+f.Misdelivered+f.Unreadable+f.Resets+f.Closed > 0
}

// String lists them.
func (f Faults) String() string {
	return fmt.Sprintf("%d lost, %d repeated or reordered, %d to the wrong user, %d unreadable, %d resets, %d closed; first: %s",
		f.Lost, f.Repeated, f.Misdelivered, f.Unreadable, f.Resets, f.Closed, f.First)
}

// plus returns the sum of f and o.
func (f Faults) plus(o Faults) Faults {
	f.Lost += o.Lost
	f.Repeated += o.Repeated
	f.Misdelivered += o.Misdelivered
	f.Unreadable += o.Unreadable
	f.Resets += o.Resets
	f.Closed += o.Closed
	if f.First == "" {
		f.First = o.First
	}
	return f
}
