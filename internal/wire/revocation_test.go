package wire_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/wire"
)

func TestRevocation(t *testing.T) {
	at := time.Date(2026, 12, 1, 9, 0, 0, 5e8, time.UTC)
	for body, want := range map[string]notify.Revocation{
		`{"user":"ada","issued_before":"2026-12-01T09:00:00.5Z"}`:                 {User: "ada", Before: at},
		`{"jti":null,"user":"ada","issued_before":"2026-12-01T10:00:00.5+01:00"}`: {User: "ada", Before: at},
		`{"user":"ada","issued_before":"2026-12-01t09:00:00.5z"}`:                 {User: "ada", Before: at},
		` { "jti" : "one" } `: {TokenID: "one"},
		`{}`:                  {}, // package service refuses it
	} {
		got, err := wire.Revocation([]byte(body))
		require.NoError(t, err, body)
		got.Before = got.Before.UTC()
		assert.Equal(t, want, got, body)
	}
}

func TestRefusedRevocations(t *testing.T) {
	for body, pointer := range map[string]string{
		`[]`:                             "",
		`{"user":""}`:                    "/user",
		`{"user":"a b"}`:                 "/user",
		`{"user":".."}`:                  "/user",
		`{"user":["ada"]}`:               "/user",
		`{"issued_before":"2026-12-01"}`: "/issued_before",
		`{"issued_before":1}`:            "/issued_before",
		`{"issued_before":"2026-12-01T09:00:00,5Z"}`: "/issued_before",
		`{"issued_before":"2026-12-01T9:00:00Z"}`:    "/issued_before",
		`{"jti":"` + strings.Repeat("x", 257) + `"}`: "/jti",
		`{"jti":""}`:    "/jti",
		`{"jti":1}`:     "/jti",
		`{"JTI":"one"}`: "/JTI",
	} {
		_, err := wire.Revocation([]byte(body))
		var e *notify.Error
		require.True(t, errors.As(err, &e), body)
		require.ErrorIs(t, err, notify.ErrInvalid, body)
		require.Len(t, e.Faults, 1, body)
		assert.Equal(t, pointer, e.Faults[0].Pointer, body)
	}
	_, err := wire.Revocation([]byte(`{"jti":"a","jti":"b"}`))
	assert.ErrorIs(t, err, notify.ErrMalformed)
}

func TestNothing(t *testing.T) {
	for _, body := range []string{"", "{}", " {\n} "} {
		require.NoError(t, wire.Nothing([]byte(body)), body)
	}
	for body, kind := range map[string]error{
		"[]": notify.ErrInvalid, "null": notify.ErrInvalid, `{"a":1}`: notify.ErrInvalid, "{": notify.ErrMalformed, " ": notify.ErrMalformed,
	} {
		require.ErrorIs(t, wire.Nothing([]byte(body)), kind, body)
	}
}
