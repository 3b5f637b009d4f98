package bellhop_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/problem"
	"github.com/bellhop/bellhop/internal/protocol/bellhop"
	"github.com/bellhop/bellhop/internal/wire"
)

func TestReadCommand(t *testing.T) {
	c, err := bellhop.ReadCommand([]byte(`{"event":"publish","ref":"7","key":"k","data":{"a": 1}}`))
	require.NoError(t, err)
	assert.Equal(t, bellhop.Command{Event: "publish", Ref: "7", Key: "k", Data: []byte(`{"a":1}`)}, c)

	for _, frame := range []string{``, `[]`, `"ping"`, `null`, `{`, `{"event"}`, `ping`, "\xff", `{}{}`} {
		_, err := bellhop.ReadCommand([]byte(frame))
		assert.ErrorIs(t, err, bellhop.ErrNoObject, frame)
	}
	for frame, kind := range map[string]error{
		`{}`:                                    notify.ErrInvalid,
		`{"event":1}`:                           notify.ErrInvalid,
		`{"event":"ping","x":1}`:                notify.ErrInvalid,
		`{"event":"read","key":"k"}`:            notify.ErrInvalid,
		`{"event":"ping","data":[]}`:            notify.ErrInvalid,
		`{"event":"ping","event":"ping"}`:       notify.ErrMalformed,
		`{"event":"ping","data":{"a":1,"a":2}}`: notify.ErrMalformed,
		`{"event":"ping","ref":"` + strings.Repeat("é", bellhop.MaxRef+1) + `"}`: notify.ErrInvalid,
	} {
		_, err := bellhop.ReadCommand([]byte(frame))
		assert.ErrorIs(t, err, kind, frame)
	}
	c, err = bellhop.ReadCommand([]byte(`{"event":"ping","x":1,"ref":"7"}`))
	assert.Error(t, err)
	assert.Equal(t, "7", c.Ref, "the error can be answered with its ref")
	c, err = bellhop.ReadCommand([]byte(`{"event":"publish","ref":"8","data":{"a":1,"a":2}}`))
	assert.ErrorIs(t, err, notify.ErrMalformed)
	assert.Equal(t, "8", c.Ref)
}

// FuzzReadCommand checks that a frame is either not an object, or is refused, or is read as
// encoding/json reads it, and that it can always be answered: its ref is within the limit and
// survives encoding.
func FuzzReadCommand(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(f, err)
	for _, name := range files {
		frame, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(frame)
	}
	for _, s := range []string{
		`{"event":"ping","ref":"1"}`, `{"event":"read","ref":"7","data":{"ids":["x"]}}`, `{"event":"publish","key":"k","data":{"to":{"all":true},"type":"t"}}`,
		`{"ref":"7","event":"ping","event":"publish"}`, `{"ref":7}`, `{"ref":"` + strings.Repeat("é", 65) + `"}`, `{"event":"\u0070ing","ref":"\"\\\u2028"}`,
		`[]`, `"ping"`, `null`, ``, ` `, "\xef\xbb\xbf{}", "{\"ref\":\"\xff\"}", `{}{}`, `{"event":"ping"`, strings.Repeat("[", 100), `{"a":` + strings.Repeat(`[`, 33) + strings.Repeat(`]`, 33) + `,"ref":"7"}`,
		`{"data":{"a":1,"a":2},"ref":"7"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		cmd, err := bellhop.ReadCommand(frame)
		require.LessOrEqual(t, utf8.RuneCountInString(cmd.Ref), bellhop.MaxRef)
		if errors.Is(err, bellhop.ErrNoObject) {
			require.Equal(t, bellhop.Command{}, cmd)
			return
		}
		answer := append(wire.AppendString([]byte(`{"ref":`), cmd.Ref), '}')
		var back struct{ Ref string }
		require.NoError(t, json.Unmarshal(answer, &back), "%s", answer)
		require.Equal(t, cmd.Ref, back.Ref)
		if err != nil {
			require.Contains(t, []int{400, 422}, problem.Of(err).Status, "%v", err)
			return
		}
		var other struct {
			Event, Ref, Key string
			Data            json.RawMessage
		}
		require.NoError(t, json.Unmarshal(frame, &other))
		require.NotEmpty(t, cmd.Event)
		require.Equal(t, []string{other.Event, other.Ref, other.Key}, []string{cmd.Event, cmd.Ref, cmd.Key})
		require.Equal(t, cmd.Data != nil, len(other.Data) > 0 && string(other.Data) != "null")
	})
}
