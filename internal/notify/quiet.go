package notify

import (
	"fmt"
	"time"
	_ "time/tzdata" // so that every machine has the same zones, with or without a database of its own
)

// TimeOfDay is the number of minutes since midnight.
type TimeOfDay uint16

const minutesPerDay = 24 * 60

// ParseTimeOfDay returns the time in s, such as 22:00, or an error of kind ErrInvalid.
func ParseTimeOfDay(s string) (TimeOfDay, error) {
	t, err := time.Parse("15:04", s)
	if err != nil || len(s) != len("15:04") {
		return 0, Errorf(ErrInvalid, "a time of day must be from 00:00 to 23:59")
	}
	return TimeOfDay(t.Hour()*60 + t.Minute()), nil //nolint:gosec // less than minutesPerDay
}

// String implements fmt.Stringer.
func (t TimeOfDay) String() string { return fmt.Sprintf("%02d:%02d", t/60, t%60) }

// ParseZone returns name if it is that of a time zone, or an error of kind ErrInvalid. The zone of
// the machine, which package time calls Local, is none.
func ParseZone(name string) (string, error) {
	if name != "" && name != "Local" && len(name) <= MaxZoneBytes {
		if _, err := time.LoadLocation(name); err == nil {
			return name, nil
		}
	}
	return "", Errorf(ErrInvalid, "a zone must be a name in the IANA time zone database, such as Europe/Berlin or UTC")
}
