package wire_test

import (
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/problem"
	"github.com/bellhop/bellhop/internal/wire"
)

var update = flag.Bool("update", false, "write the golden files")

// TestGolden keeps what clients read as files, a frame each.
func TestGolden(t *testing.T) {
	at := time.Date(2026, 12, 1, 10, 0, 0, 123456789, time.FixedZone("", 3600))
	content := wire.AppendContent(nil, "0193b3c8-0000-7000-8000-000000000000", &notify.Draft{
		Type: "comment.created", Title: "Grace \"commented\"\n", Body: "<b>ça va \u2028</b>",
		Data: []byte(`{"issue":42,"n":1.0e400}`), Priority: notify.PriorityNormal,
	})
	n := notify.Notification{Sequence: 9, Time: at, Audience: notify.AudienceUser, Content: content}
	expiring := n
	expiring.Expires = at.Add(time.Hour)
	ephemeral := notify.Notification{Time: at, Audience: notify.AudienceAll, Content: wire.AppendContent(nil, "id", &notify.Draft{
		Type: "t", Priority: notify.PriorityHigh, Ephemeral: true,
	})}
	heard := notify.Notification{
		Sequence: 9, Time: at, Expires: at.Add(time.Hour), Audience: notify.AudienceTopic,
		Content: wire.AppendContent(nil, "0193b3c8-0000-7000-8000-000000000000", &notify.Draft{
			Type: "t", Priority: notify.PriorityNormal, CollapseKey: `issue "42"`,
		}),
		View: notify.View{
			Topic: `a"b`, Replaces: "0193b3c8-0000-7000-8000-000000000001",
			Read: at.Add(time.Minute), Archived: at.Add(2 * time.Minute),
		},
	}
	changed := notify.InboxChange{
		Read: []string{"a", "b"}, Unread: []string{"c"}, Archived: []string{"d"}, Recalled: []string{"e"},
	}
	welcome := wire.Welcome{
		Connection: "0193b3c8-0000-7000-8000-000000000002", User: `ada"`, Resumed: true,
		Ping: 25 * time.Second, Expires: at, ExpiresIn: time.Hour - time.Millisecond,
		Topics: []notify.TopicPattern{"news", `a"b.*`}, Ignored: 2,
	}
	cursor := []byte("AAAA")
	for name, frame := range map[string][]byte{
		"notification": wire.AppendFrame(nil, "notification", cursor, "", wire.AppendNotification(nil, &n)),
		"expiring":     wire.AppendFrame(nil, "notification", cursor, "", wire.AppendNotification(nil, &expiring)),
		"ephemeral":    wire.AppendFrame(nil, "notification", nil, "", wire.AppendNotification(nil, &ephemeral)),
		"heard":        wire.AppendFrame(nil, "notification", cursor, "", wire.AppendNotification(nil, &heard)),
		"inbox":        wire.AppendFrame(nil, "inbox", cursor, "", wire.AppendChange(nil, &changed, 7)),
		"recalled":     wire.AppendFrame(nil, "inbox", cursor, "", wire.AppendChange(nil, &notify.InboxChange{Recalled: []string{"e"}}, wire.NoCount)),
		"live":         wire.AppendFrame(nil, "live", cursor, "", wire.AppendChange(nil, &notify.InboxChange{}, 0)),
		"welcome":      wire.AppendFrame(nil, "welcome", cursor, "", wire.AppendWelcome(nil, &welcome)),
		"reply":        wire.AppendFrame(nil, "reply", nil, `7"`, []byte(`{}`)),
		"bare":         wire.AppendFrame(nil, "reply", nil, "", nil),
		"close":        wire.AppendFrame(nil, "close", nil, "", wire.CloseData(notify.CloseExpired)),
		"restart":      wire.AppendFrame(nil, "close", nil, "", wire.CloseData(notify.CloseRestart(20*time.Second))),
		"error":        wire.AppendFrame(nil, "error", nil, "7", problem.Of(notify.Invalid(notify.Fault{Pointer: "/type", Detail: "is required"})).JSON()),
	} {
		path := filepath.Join("testdata", name+".json")
		if *update {
			require.NoError(t, os.WriteFile(path, append(frame, '\n'), 0o600))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, strings.TrimSpace(string(want)), string(frame), name)
	}
}

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

// The largest notification that may be published fits a frame.
func TestLargestNotificationFitsAFrame(t *testing.T) {
	d := notify.Draft{
		Users: []notify.UserID{"ada"}, Type: strings.Repeat("t", notify.MaxTypeLength),
		Title: strings.Repeat("\x01", notify.MaxTitleCharacters), Body: strings.Repeat("\x01", notify.MaxBodyCharacters),
		Data:     []byte(`{"a":"` + strings.Repeat("x", notify.MaxDataBytes-8) + `"}`),
		Priority: notify.PriorityNormal, TTL: time.Hour, CollapseKey: strings.Repeat("\x01", notify.MaxCollapseKey),
	}
	require.Empty(t, d.Check(time.Now(), time.Hour))
	n := notify.Notification{Content: wire.AppendContent(nil, strings.Repeat("i", 36), &d), Time: time.Now(), Expires: time.Now()}
	n.View = notify.View{
		Topic: notify.Topic(strings.Repeat(`"`, notify.MaxUserBytes)), Replaces: strings.Repeat("i", 36),
		Read: time.Now(), Archived: time.Now(),
	}
	frame := wire.AppendFrame(nil, "notification", make([]byte, 128), "", wire.AppendNotification(nil, &n))
	assert.LessOrEqual(t, len(frame), wire.MaxFrame)
}

// So does the largest part of a change.
func TestLargestChangeFitsAFrame(t *testing.T) {
	ids := make([]string, wire.MaxChanged)
	for i := range ids {
		ids[i] = strings.Repeat("i", 36)
	}
	data := wire.AppendChange(nil, &notify.InboxChange{Read: ids}, math.MaxInt)
	assert.LessOrEqual(t, len(wire.AppendFrame(nil, "inbox", make([]byte, 128), "", data)), wire.MaxFrame)
	assert.True(t, json.Valid(data))
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

// However much is wrong, what is told of it fits a frame.
func TestErrorsFitAFrame(t *testing.T) {
	many := `{"event":"publish"`
	for i := range 1500 {
		many += `,"<` + strconv.Itoa(i) + `>":1`
	}
	for _, frame := range []string{many + "}", `{"event":"publish","` + strings.Repeat("<", 12_000) + `":1}`} {
		_, err := wire.ReadCommand([]byte(frame))
		require.ErrorIs(t, err, notify.ErrInvalid)
		told := wire.AppendFrame(nil, "error", nil, strings.Repeat("é", wire.MaxRef), problem.Of(err).JSON())
		assert.Less(t, len(told), 16<<10)
	}
}
