package wire_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
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

func TestReadCommand(t *testing.T) {
	c, err := wire.ReadCommand([]byte(`{"event":"publish","ref":"7","key":"k","data":{"a": 1}}`))
	require.NoError(t, err)
	assert.Equal(t, wire.Command{Event: "publish", Ref: "7", Key: "k", Data: []byte(`{"a":1}`)}, c)

	for _, frame := range []string{``, `[]`, `"ping"`, `null`, `{`, `{"event"}`, `ping`, "\xff", `{}{}`} {
		_, err := wire.ReadCommand([]byte(frame))
		assert.ErrorIs(t, err, wire.ErrNoObject, frame)
	}
	for frame, kind := range map[string]error{
		`{}`:                                    notify.ErrInvalid,
		`{"event":1}`:                           notify.ErrInvalid,
		`{"event":"ping","x":1}`:                notify.ErrInvalid,
		`{"event":"ping","data":[]}`:            notify.ErrInvalid,
		`{"event":"ping","event":"ping"}`:       notify.ErrMalformed,
		`{"event":"ping","data":{"a":1,"a":2}}`: notify.ErrMalformed,
		`{"event":"ping","ref":"` + strings.Repeat("é", wire.MaxRef+1) + `"}`: notify.ErrInvalid,
	} {
		_, err := wire.ReadCommand([]byte(frame))
		assert.ErrorIs(t, err, kind, frame)
	}
	c, err = wire.ReadCommand([]byte(`{"event":"ping","x":1,"ref":"7"}`))
	assert.Error(t, err)
	assert.Equal(t, "7", c.Ref, "the error can be told by its ref")
	c, err = wire.ReadCommand([]byte(`{"event":"publish","ref":"8","data":{"a":1,"a":2}}`))
	assert.ErrorIs(t, err, notify.ErrMalformed)
	assert.Equal(t, "8", c.Ref)
}
