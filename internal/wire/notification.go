package wire

import (
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/bellhop/bellhop/internal/notify"
)

// MaxFrame is the maximum size in bytes of a frame to a client: what a WebSocket can
// express with 16 bits.
const MaxFrame = 1<<16 - 1

// Time returns t as clients read it: in UTC, with milliseconds.
func Time(t time.Time) string { return string(AppendTime(nil, t)) }

// AppendTime appends Time(t) to dst.
func AppendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	dst = t.AppendFormat(dst, time.RFC3339) // which package time formats several times as fast as other layouts
	dst = dst[:len(dst)-len("Z")]
	const digits = "0123456789"
	ms := t.Nanosecond() / int(time.Millisecond)
	return append(dst, '.', digits[ms/100], digits[ms/10%10], digits[ms%10], 'Z')
}

// AppendContent appends the members of a notification that do not depend on the journal:
// the Content of a notify.Notification. notify.Notification.Fields reads them back; its Type and
// Priority read the first members only, which therefore keep this order.
func AppendContent(dst []byte, id string, d *notify.Draft) []byte {
	const names = 96 // bytes in addition to the values, about
	dst = slices.Grow(dst, names+len(id)+len(d.Type)+len(d.Title)+len(d.Body)+len(d.Data)+len(d.URL)+len(d.Priority)+len(d.CollapseKey))
	dst = append(dst, `"id":"`...)
	dst = append(dst, id...)
	dst = append(dst, `","type":"`...)
	dst = append(dst, d.Type...)
	dst = append(dst, `","priority":"`...)
	dst = append(dst, d.Priority...)
	dst = append(dst, '"')
	if d.Title != "" {
		dst = append(dst, `,"title":`...)
		dst = AppendString(dst, d.Title)
	}
	if d.Body != "" {
		dst = append(dst, `,"body":`...)
		dst = AppendString(dst, d.Body)
	}
	if len(d.Data) > 0 {
		dst = append(dst, `,"data":`...)
		dst = append(dst, d.Data...)
	}
	if d.URL != "" {
		dst = append(dst, `,"url":`...)
		dst = AppendString(dst, d.URL)
	}
	if len(d.Actions) > 0 {
		dst = appendActions(dst, d.Actions)
	}
	if d.CollapseKey != "" {
		dst = append(dst, `,"collapse_key":`...)
		dst = AppendString(dst, d.CollapseKey)
	}
	if d.Ephemeral {
		dst = append(dst, `,"ephemeral":true`...)
	}
	if d.Silent {
		dst = append(dst, `,"silent":true`...)
	}
	return dst
}

func appendActions(dst []byte, actions []notify.Action) []byte {
	dst = append(dst, `,"actions":`...)
	for i, a := range actions {
		if i == 0 {
			dst = append(dst, '[')
		} else {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"title":`...)
		dst = AppendString(dst, a.Title)
		dst = append(dst, `,"url":`...)
		dst = append(AppendString(dst, a.URL), '}')
	}
	return append(dst, ']')
}

// AppendNotification appends n as the JSON object that clients read.
func AppendNotification(dst []byte, n *notify.Notification) []byte {
	return AppendNotificationRest(append(append(dst, '{'), n.Content...), n)
}

// AppendNotificationRest appends the part of that object after the Content of n.
func AppendNotificationRest(dst []byte, n *notify.Notification) []byte {
	dst = append(dst, `,"time":"`...)
	dst = AppendTime(dst, n.Time)
	dst = append(dst, `","audience":"`...)
	dst = append(dst, n.Audience...)
	dst = append(dst, '"')
	if n.Topic != "" {
		dst = append(dst, `,"topic":`...)
		dst = AppendString(dst, string(n.Topic))
	}
	dst = appendMoment(dst, "expires_at", n.Expires)
	if n.Replaces != "" {
		dst = append(dst, `,"replaces":"`...)
		dst = append(dst, n.Replaces...)
		dst = append(dst, '"')
	}
	dst = appendMoment(dst, "seen_at", n.Seen)
	dst = appendMoment(dst, "read_at", n.Read)
	dst = appendMoment(dst, "archived_at", n.Archived)
	return append(dst, '}')
}

// appendMoment appends a further member that is a time, unless that is zero.
func appendMoment(dst []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return dst
	}
	dst = append(append(append(dst, `,"`...), name...), `":"`...)
	return append(AppendTime(dst, t), '"')
}

// AppendString appends s, which is valid UTF-8, as a JSON string.
func AppendString(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, s)
	return dst
}

// AppendReceipt appends the answer to a publish. The status is for an item of a batch; 0:
// none.
func AppendReceipt(dst []byte, status int, r notify.Receipt) []byte {
	dst = append(dst, '{')
	if status != 0 {
		dst = append(dst, `"status":`...)
		dst = strconv.AppendInt(dst, int64(status), 10)
		dst = append(dst, ',')
	}
	dst = append(dst, `"id":"`...)
	dst = append(dst, r.ID...)
	dst = append(dst, '"')
	if r.Recipients != 0 { // absent for everyone
		dst = append(dst, `,"recipients":`...)
		dst = strconv.AppendInt(dst, int64(r.Recipients), 10)
	}
	dst = append(dst, `,"duplicate":`...)
	dst = strconv.AppendBool(dst, r.Duplicate)
	return append(dst, '}')
}
