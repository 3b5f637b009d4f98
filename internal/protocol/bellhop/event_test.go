package bellhop_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/protocol"
	"github.com/bellhop/bellhop/internal/protocol/bellhop"
	"github.com/bellhop/bellhop/internal/wire"
)

var update = flag.Bool("update", false, "write the golden files")

// maxFrame is what a transport sends in one message.
const maxFrame = 1<<16 - 1

// cursors seals every cursor as the same text.
type cursors string

func (c cursors) Append(dst []byte, _ cursor.Tag, _ notify.Sequence) []byte { return append(dst, c...) }

func newProtocol(c cursors) *bellhop.Protocol { return bellhop.New(bellhop.Options{Cursors: c}) }

func appendEvent(p protocol.Encoder, e *hub.Event) string {
	return string(p.AppendEvent(nil, e, cursor.Tag{}))
}

func notification(seq notify.Sequence, n notify.Notification) *hub.Event {
	return &hub.Event{Sequence: seq, Content: hub.Notification{Notification: &n}}
}

// everyEvent returns an event of each kind.
func everyEvent() map[string]*hub.Event {
	at := time.Date(2026, 12, 1, 10, 0, 0, 123456789, time.FixedZone("", 3600))
	content := wire.AppendContent(nil, "0193b3c8-0000-7000-8000-000000000000", &notify.Draft{
		Type: "comment.created", Title: "Grace \"commented\"\n", Body: "<b>ça va \u2028</b>",
		Data: []byte(`{"issue":42,"n":1.0e400}`), Priority: notify.PriorityNormal,
		URL: "/issues/42?a=1&b=ç", Actions: []notify.Action{{Title: `"Reply"`, URL: "/issues/42#reply"}, {Title: "Mute", URL: "https://example.com/mute"}},
	})
	n := notify.Notification{Time: at, Audience: notify.AudienceUser, Content: content}
	expiring := n
	expiring.Expires = at.Add(time.Hour)
	return map[string]*hub.Event{
		"notification": notification(9, n),
		"expiring":     notification(9, expiring),
		"ephemeral": notification(0, notify.Notification{Time: at, Audience: notify.AudienceAll, Content: wire.AppendContent(nil, "id", &notify.Draft{
			Type: "t", Priority: notify.PriorityHigh, Ephemeral: true, Silent: true,
		})}),
		"heard": notification(9, notify.Notification{
			Time: at, Expires: at.Add(time.Hour), Audience: notify.AudienceTopic,
			Content: wire.AppendContent(nil, "0193b3c8-0000-7000-8000-000000000000", &notify.Draft{
				Type: "t", Priority: notify.PriorityNormal, CollapseKey: `issue "42"`,
			}),
			View: notify.View{
				Topic: `a"b`, Replaces: "0193b3c8-0000-7000-8000-000000000001",
				Read: at.Add(time.Minute), Archived: at.Add(2 * time.Minute),
			},
		}),
		"inbox": {Sequence: 9, Content: hub.InboxChange{
			Seen: []string{"f"}, Read: []string{"a", "b"}, Unread: []string{"c"}, Archived: []string{"d"}, Recalled: []string{"e"},
			Counted: true, Counts: notify.Counts{Unread: 7, Unseen: 2},
		}},
		"recalled": {Sequence: 9, Content: hub.InboxChange{Recalled: []string{"e"}}},
		"live":     {Sequence: 9, Content: hub.Live{}},
		"welcome": {Sequence: 9, Content: hub.Welcome{
			Connection: "0193b3c8-0000-7000-8000-000000000002", User: `ada"`, Resumed: true, PingEvery: 25 * time.Second, Expires: at,
			Topics: []notify.TopicPattern{"news", `a"b.*`}, TopicsIgnored: 2,
		}},
		"reply": {Content: hub.Reply{Ref: `7"`, Result: hub.Pong{}}},
		"error": {Content: hub.Failure{Ref: "7", Err: notify.Invalid(notify.Fault{Pointer: "/type", Detail: "is required"})}},
	}
}

// The golden files are what clients receive, a message each.
func TestGolden(t *testing.T) {
	p := newProtocol("AAAA")
	messages := map[string]string{}
	for name, e := range everyEvent() {
		messages[name] = appendEvent(p, e)
	}
	for name, why := range map[string]notify.Close{"close": notify.CloseExpired, "restart": notify.CloseRestart(20 * time.Second)} {
		message, code, reason := p.AppendClose(nil, why)
		assert.Equal(t, []any{why.Code, why.Reason}, []any{code, reason})
		messages[name] = string(message)
	}
	// How long a token is still good depends on the time of the test.
	messages["welcome"] = regexp.MustCompile(`"expires_in":\d+`).ReplaceAllString(messages["welcome"], `"expires_in":3599`)
	for name, message := range messages {
		path := filepath.Join("testdata", name+".json")
		if *update {
			require.NoError(t, os.WriteFile(path, append([]byte(message), '\n'), 0o600))
		}
		want, err := os.ReadFile(path)
		require.NoError(t, err)
		assert.Equal(t, strings.TrimSpace(string(want)), message, name)
	}
}

// An event stream has the same data, under the same name, with the cursor as its ID.
func TestStreamHasTheSameData(t *testing.T) {
	p := newProtocol("AAAA")
	for name, e := range everyEvent() {
		var message struct {
			Event, Cursor string
			Data          json.RawMessage
		}
		require.NoError(t, json.Unmarshal([]byte(appendEvent(p, e)), &message))
		want := "event: " + message.Event + "\ndata: " + string(message.Data) + "\n\n"
		if message.Cursor != "" {
			want = "id: " + message.Cursor + "\n" + want
		}
		assert.Equal(t, want, appendEvent(bellhop.Stream{Protocol: p}, e), name)
	}
}

// The size of an event in a queue is never less than its message, whatever its strings.
func TestSizeIsAnUpperBound(t *testing.T) {
	p := newProtocol(cursors(strings.Repeat("A", 32)))
	all := everyEvent()
	bad := strings.Repeat("\x01", 64)
	all["hostile error"] = &hub.Event{Content: hub.Failure{Ref: bad, Err: notify.Invalid(notify.Fault{Pointer: bad, Detail: bad}, notify.Fault{Pointer: bad, Detail: bad})}}
	all["hostile welcome"] = &hub.Event{Sequence: 1, Content: hub.Welcome{User: notify.UserID(bad), Topics: []notify.TopicPattern{notify.TopicPattern(bad), "news"}}}
	all["hostile token"] = &hub.Event{Content: hub.Reply{Ref: bad, Result: hub.Renewed{Topics: []notify.TopicPattern{notify.TopicPattern(bad)}, Expires: time.Now()}}}
	all["published"] = &hub.Event{Content: hub.Reply{Result: hub.Published{Receipt: notify.Receipt{ID: strings.Repeat("i", 36), Recipients: math.MaxInt}}}}
	all["marked"] = &hub.Event{Content: hub.Reply{Result: hub.Marked{Counts: notify.Counts{Unread: math.MaxInt, Unseen: math.MaxInt}}}}
	all["internal"] = &hub.Event{Content: hub.Failure{Err: errors.New("secret")}}
	for name, e := range all {
		assert.LessOrEqual(t, len(appendEvent(p, e)), p.Size(e), name)
	}
}

// The largest notification that may be published fits a message.
func TestLargestNotificationFits(t *testing.T) {
	target := "/" + strings.Repeat("a", notify.MaxURLCharacters-1)
	action := notify.Action{Title: strings.Repeat("\x01", notify.MaxActionCharacters-1) + "a", URL: target}
	d := notify.Draft{
		Users: []notify.UserID{"ada"}, Type: strings.Repeat("t", notify.MaxTypeLength),
		Title: strings.Repeat("\x01", notify.MaxTitleCharacters), Body: strings.Repeat("\x01", notify.MaxBodyCharacters),
		Data:     []byte(`{"a":"` + strings.Repeat("x", notify.MaxDataBytes-8) + `"}`),
		Priority: notify.PriorityNormal, TTL: time.Hour, CollapseKey: strings.Repeat("\x01", notify.MaxCollapseKey),
		URL: target, Actions: slices.Repeat([]notify.Action{action}, notify.MaxActions), Ephemeral: true, Silent: true,
	}
	require.Empty(t, d.Check(time.Now(), time.Hour))
	e := notification(1, notify.Notification{
		Content: wire.AppendContent(nil, strings.Repeat("i", 36), &d), Time: time.Now(), Expires: time.Now(),
		View: notify.View{
			Topic: notify.Topic(strings.Repeat(`"`, notify.MaxUserBytes)), Replaces: strings.Repeat("i", 36),
			Read: time.Now(), Archived: time.Now(),
		},
	})
	p := newProtocol(cursors(strings.Repeat("A", 128)))
	assert.LessOrEqual(t, len(appendEvent(p, e)), maxFrame)
	assert.LessOrEqual(t, len(appendEvent(bellhop.Stream{Protocol: p}, e)), maxFrame)
}

// So does the largest part of a change.
func TestLargestChangeFits(t *testing.T) {
	c := hub.InboxChange{Counted: true, Counts: notify.Counts{Unread: math.MaxInt, Unseen: math.MaxInt}}
	for range hub.MaxChanged {
		c.Read = append(c.Read, strings.Repeat("i", 36))
	}
	got := appendEvent(newProtocol(cursors(strings.Repeat("A", 128))), &hub.Event{Sequence: 1, Content: c})
	assert.LessOrEqual(t, len(got), maxFrame)
	assert.True(t, json.Valid([]byte(got)))
}

// However much is wrong with a command, the answer is short.
func TestErrorsFit(t *testing.T) {
	many := `{"event":"publish"`
	for i := range 1500 {
		many += `,"<` + strconv.Itoa(i) + `>":1`
	}
	for _, message := range []string{many + "}", `{"event":"publish","` + strings.Repeat("<", 12_000) + `":1}`} {
		_, err := bellhop.ReadCommand([]byte(message))
		require.ErrorIs(t, err, notify.ErrInvalid)
		got := appendEvent(newProtocol(""), &hub.Event{Content: hub.Failure{Ref: strings.Repeat("é", bellhop.MaxRef), Err: err}})
		assert.Less(t, len(got), 16<<10)
	}
}

func BenchmarkAppendNotification(b *testing.B) {
	p := newProtocol("AAAA")
	e := everyEvent()["notification"]
	buf := make([]byte, 0, 1<<10)
	b.ReportAllocs()
	for b.Loop() {
		buf = p.AppendEvent(buf[:0], e, cursor.Tag{})
	}
	if !bytes.HasPrefix(buf, []byte(`{"event":"notification"`)) {
		b.Fatal(string(buf))
	}
}
