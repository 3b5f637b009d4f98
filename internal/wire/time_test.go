package wire_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/bellhop/bellhop/internal/wire"
)

// Milliseconds are cut off, not rounded, whatever the time.
func TestTime(t *testing.T) {
	for _, at := range []time.Time{
		{},
		time.Unix(0, 0), time.Date(2026, 1, 2, 3, 4, 5, 7_999_999, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
		time.Date(2026, 12, 31, 23, 59, 59, 60_000_000, time.FixedZone("", -3600)),
	} {
		assert.Equal(t, at.UTC().Format("2006-01-02T15:04:05.000Z"), wire.Time(at))
	}
}
