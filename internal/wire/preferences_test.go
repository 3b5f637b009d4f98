package wire_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/wire"
)

// Each accepted body of a PUT has one form in the answers to GET.
func TestPreferences(t *testing.T) {
	for body, want := range map[string]string{
		`{"rules":[]}`:              `{"rules":[]}`,
		`{"quiet":null,"rules":[]}`: `{"rules":[]}`,
		`{"rules":[{"level":"off","topic":"a/\u00e9","type":null},{"type":"a.*","level":"alert"}]}`:     `{"rules":[{"topic":"a/é","level":"off"},{"type":"a.*","level":"alert"}]}`,
		`{"quiet":{"zone":"Pacific/Chatham","to":"00:00","from":"23:59"},"rules":[{"level":"silent"}]}`: `{"rules":[{"level":"silent"}],"quiet":{"from":"23:59","to":"00:00","zone":"Pacific/Chatham"}}`,
		`{"rules":[` + strings.TrimSuffix(strings.Repeat(`{"level":"off"},`, 100), ",") + `]}`:          `{"rules":[` + strings.TrimSuffix(strings.Repeat(`{"level":"off"},`, 100), ",") + `]}`,
	} {
		p, err := wire.Preferences([]byte(body))
		require.NoError(t, err, body)
		require.Equal(t, want, string(wire.AppendPreferences(nil, &p)))
		require.NoError(t, notify.Validate(notify.UserPreferences{User: "ada", Preferences: p}), "it can be applied")
	}
}

// All faults of a body are reported together, each with its place.
func TestPreferencesRefused(t *testing.T) {
	long := strings.Repeat("x", 257)
	for body, want := range map[string][]string{
		`[]`:           {""},
		`{}`:           {"/rules"},
		`{"rules":{}}`: {"/rules"},
		`{"rules":[7,{},{"level":"Off"},{"level":7},{"level":"off","x":1}],"y":2}`: {"/rules/0", "/rules/1/level", "/rules/2/level", "/rules/3/level", "/rules/4/x", "/y"},
		`{"rules":[{"type":"","topic":"","level":"off"},{"type":"a*","topic":"*","level":"off"},{"type":"é","topic":"a b","level":"off"}]}`: {
			"/rules/0/type", "/rules/0/topic", "/rules/1/type", "/rules/1/topic", "/rules/2/type", "/rules/2/topic",
		},
		`{"rules":[{"type":"` + long + `","topic":"` + long + `","level":"off"}]}`:  {"/rules/0/type", "/rules/0/topic"},
		`{"rules":[` + strings.Repeat(`{"level":"off"},`, 100) + `{"level":"on"}]}`: {"/rules"},
		`{"rules":[],"quiet":[]}`: {"/quiet"},
		`{"rules":[],"quiet":{}}`: {"/quiet/from", "/quiet/to", "/quiet/zone"},
		`{"rules":[],"quiet":{"from":"24:00","to":"7:00","zone":"Europe/Bonn"}}`:    {"/quiet/from", "/quiet/to", "/quiet/zone"},
		`{"rules":[],"quiet":{"from":"07:00","to":"07:00","zone":"UTC"}}`:           {"/quiet/to"},
		`{"rules":[],"quiet":{"from":"07:00:00","to":0,"zone":"Local"}}`:            {"/quiet/from", "/quiet/to", "/quiet/zone"},
		`{"rules":[],"quiet":{"from":"07:00","to":"08:00","zone":"../etc/passwd"}}`: {"/quiet/zone"},
		`{"rules":[],"quiet":{"from":"07:00","to":"08:00","zone":"` + long + `"}}`:  {"/quiet/zone"},
	} {
		_, err := wire.Preferences([]byte(body))
		e := new(notify.Error)
		require.True(t, errors.As(err, &e), body)
		require.ErrorIs(t, err, notify.ErrInvalid)
		var got []string
		for _, f := range e.Faults {
			got = append(got, f.Pointer)
			require.True(t, strings.HasPrefix(f.Detail, "must ") || strings.HasPrefix(f.Detail, "unknown ") || strings.HasPrefix(f.Detail, "is required"), f.Detail)
		}
		require.Equal(t, want, got, body)
	}
}
