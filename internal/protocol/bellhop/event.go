package bellhop

import (
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/problem"
	"github.com/bellhop/bellhop/internal/wire"
)

// The names of events.
const (
	eventWelcome      = "welcome"
	eventReset        = "reset"
	eventNotification = "notification"
	eventInbox        = "inbox"
	eventLive         = "live"
	eventReply        = "reply"
	eventError        = "error"
	eventClose        = "close"
)

// Cursors seals cursors: package cursor's Keyring.
type Cursors interface {
	Append(dst []byte, tag cursor.Tag, seq notify.Sequence) []byte
}

// nameOf returns the name of an event, and the ref of the command that it answers.
func nameOf(e *hub.Event) (name, ref string) {
	switch c := e.Content.(type) {
	case hub.Welcome:
		return eventWelcome, ""
	case hub.Reset:
		return eventReset, ""
	case hub.Notification:
		return eventNotification, ""
	case hub.InboxChange:
		return eventInbox, ""
	case hub.Live:
		return eventLive, ""
	case hub.Reply:
		return eventReply, c.Ref
	case hub.Failure:
		return eventError, c.Ref
	}
	return "", ""
}

// appendData encodes the data of events, for sockets and streams alike. The encoding of
// a notification lacks what is in its Content, which is JSON already: appendEventData
// copies it from there, so that memory holds it once.
func appendData(dst []byte, e *hub.Event) []byte {
	switch c := e.Content.(type) {
	case hub.Notification:
		return wire.AppendNotificationRest(dst, c.Notification)
	case hub.InboxChange:
		return appendInboxChange(dst, &c)
	case hub.Live:
		return appendInboxChange(dst, &hub.InboxChange{Counted: true, Counts: c.Counts})
	case hub.Welcome:
		return appendWelcome(dst, &c)
	case hub.Reset:
		return append(append(append(dst, `{"reason":"`...), c.Reason...), `"}`...)
	case hub.Reply:
		return appendResult(dst, c.Result)
	case hub.Failure:
		return append(dst, problem.Of(c.Err).JSON()...)
	}
	return append(dst, "{}"...)
}

// appendEventData appends the data of an event.
func (p *Protocol) appendEventData(dst []byte, e *hub.Event) []byte {
	if n, ok := e.Content.(hub.Notification); ok {
		dst = append(append(dst, '{'), n.Content...)
	}
	return e.AppendEncoded(dst, p.codec)
}

// AppendEvent implements protocol.Encoder.
func (p *Protocol) AppendEvent(dst []byte, e *hub.Event, user cursor.Tag) []byte {
	name, ref := nameOf(e)
	dst = append(dst, `{"event":"`...)
	dst = append(dst, name...)
	dst = append(dst, '"')
	if e.Sequence != 0 {
		dst = append(dst, `,"cursor":"`...)
		dst = p.opts.Cursors.Append(dst, user, e.Sequence)
		dst = append(dst, '"')
	}
	if ref != "" {
		dst = append(dst, `,"ref":`...)
		dst = wire.AppendString(dst, ref)
	}
	dst = append(dst, `,"data":`...)
	dst = p.appendEventData(dst, e)
	return append(dst, '}')
}

// AppendClose implements protocol.Encoder: the last message says why the connection
// ends.
func (*Protocol) AppendClose(dst []byte, why notify.Close) (message []byte, code int, reason string) {
	dst = append(dst, `{"event":"`+eventClose+`","data":`...)
	dst = append(dst, closeData(why)...)
	return append(dst, '}'), why.Code, why.Reason
}

// Size implements protocol.Encoder. It is an upper bound, computed without encoding.
func (*Protocol) Size(e *hub.Event) int {
	const (
		envelope = 256 // of any event: names, cursor, numbers and times
		perID    = len(`"0193a5e8-7f6b-7c3d-9a41-5f0e2b8d6c10",`)
	)
	size := envelope
	switch c := e.Content.(type) {
	case hub.Notification:
		size += 160 + len(c.Content) + escaped*len(c.Topic) // with four more times
	case hub.InboxChange:
		size += perID * c.Size()
	case hub.Welcome:
		size += escaped*len(c.User) + sizeOfTopics(c.Topics)
	case hub.Reply:
		size += escaped * len(c.Ref)
		if r, ok := c.Result.(hub.Renewed); ok {
			size += sizeOfTopics(r.Topics)
		}
	case hub.Failure:
		size += escaped*len(c.Ref) + sizeOfError(c.Err)
	}
	return size
}

// escaped is how many bytes a byte of a string takes at most in JSON: \u0000.
const escaped = 6

func sizeOfTopics(topics []notify.TopicPattern) (size int) {
	for _, t := range topics {
		size += escaped*len(t) + len(`"",`)
	}
	return size
}

func sizeOfError(err error) (size int) {
	e, ok := errors.AsType[*notify.Error](err)
	if !ok {
		return 0
	}
	size = escaped * len(e.Detail)
	for _, f := range e.Faults {
		size += escaped*(len(f.Pointer)+len(f.Detail)) + len(`{"pointer":"","detail":""},`)
	}
	return size
}

// appendInboxChange appends the IDs of what has changed, and the counts after it.
func appendInboxChange(dst []byte, c *hub.InboxChange) []byte {
	dst = append(dst, '{')
	dst = appendIDs(dst, "seen", c.Seen)
	dst = appendIDs(dst, "read", c.Read)
	dst = appendIDs(dst, "unread", c.Unread)
	dst = appendIDs(dst, "archived", c.Archived)
	dst = appendIDs(dst, "recalled", c.Recalled)
	if c.Counted {
		if len(dst) > 1 && dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = wire.AppendCounts(dst, c.Counts)
	}
	return append(dst, '}')
}

func appendIDs(dst []byte, name string, ids []string) []byte {
	if len(ids) == 0 {
		return dst
	}
	dst = append(appendName(dst, name), '[')
	for i, id := range ids {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '"')
		dst = append(dst, id...)
		dst = append(dst, '"')
	}
	return append(dst, ']')
}

// appendName appends the name of the next member of an object.
func appendName(dst []byte, name string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	dst = append(dst, name...)
	return append(dst, `":`...)
}

func appendWelcome(dst []byte, w *hub.Welcome) []byte {
	dst = append(dst, `{"connection":`...)
	dst = wire.AppendString(dst, w.Connection)
	dst = append(dst, `,"user":`...)
	dst = wire.AppendString(dst, string(w.User))
	dst = append(dst, `,"resumed":`...)
	dst = strconv.AppendBool(dst, w.Resumed)
	dst = append(dst, `,"ping":`...)
	dst = appendSeconds(dst, w.PingEvery)
	dst = append(dst, `,"token_expires":"`...)
	dst = wire.AppendTime(dst, w.Expires)
	dst = append(dst, `","expires_in":`...)
	dst = appendSeconds(dst, max(0, time.Until(w.Expires)))
	return append(appendTopics(append(dst, ','), w.Topics, w.TopicsIgnored), '}')
}

func appendSeconds(dst []byte, d time.Duration) []byte {
	return strconv.AppendInt(dst, int64(d.Seconds()), 10)
}

// appendTopics appends the members that say which topics are in force, and how many
// the token names besides those.
func appendTopics(dst []byte, topics []notify.TopicPattern, ignored int) []byte {
	dst = append(dst, `"topics":[`...)
	for i, t := range topics {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = wire.AppendString(dst, string(t))
	}
	dst = append(dst, ']')
	if ignored > 0 {
		dst = append(dst, `,"topics_ignored":`...)
		dst = strconv.AppendInt(dst, int64(ignored), 10)
	}
	return dst
}

// appendResult appends the data of a reply.
func appendResult(dst []byte, r hub.Result) []byte {
	switch r := r.(type) {
	case hub.Published:
		return wire.AppendReceipt(dst, 0, r.Receipt)
	case hub.Marked:
		return wire.AppendMarked(dst, r.Counts)
	case hub.Renewed:
		dst = append(dst, '{')
		if !r.Expires.IsZero() { // absent: never
			dst = append(dst, `"expires_in":`...)
			dst = append(appendSeconds(dst, max(0, time.Until(r.Expires))), ',')
		}
		return append(appendTopics(dst, r.Topics, r.TopicsIgnored), '}')
	}
	return append(dst, "{}"...)
}

// closeData returns the data of the event close.
func closeData(why notify.Close) []byte {
	data, err := json.Marshal(struct {
		Code      int    `json:"code"`
		Reason    string `json:"reason"`
		Reconnect bool   `json:"reconnect"`
		After     int64  `json:"after"` // seconds
	}{why.Code, why.Reason, why.Reconnect, int64(why.After.Seconds())})
	if err != nil { // numbers and strings can always be encoded
		panic(err)
	}
	return data
}
