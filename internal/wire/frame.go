package wire

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/bellhop/bellhop/internal/notify"
)

// MaxFrame is the most bytes that one frame to a client has: 64 KiB, as far as a
// WebSocket says it with 16 bits.
const MaxFrame = 1<<16 - 1

// timeFormat is how times are written: UTC, to the millisecond.
const timeFormat = "2006-01-02T15:04:05.000Z"

// Time writes t as clients read it.
func Time(t time.Time) string { return t.UTC().Format(timeFormat) }

// AppendTime appends Time(t) to dst.
func AppendTime(dst []byte, t time.Time) []byte { return t.UTC().AppendFormat(dst, timeFormat) }

// AppendFrame appends one frame as clients read it: an event with, where they
// are not empty, the cursor after it, the ref of the command it answers and its
// data, which is JSON.
func AppendFrame(dst []byte, event string, cursor []byte, ref string, data []byte) []byte {
	dst = append(dst, `{"event":"`...)
	dst = append(dst, event...)
	dst = append(dst, '"')
	if len(cursor) > 0 {
		dst = append(dst, `,"cursor":"`...)
		dst = append(dst, cursor...)
		dst = append(dst, '"')
	}
	if ref != "" {
		dst = append(dst, `,"ref":`...)
		dst = appendString(dst, ref)
	}
	if len(data) > 0 {
		dst = append(dst, `,"data":`...)
		dst = append(dst, data...)
	}
	return append(dst, '}')
}

// AppendContent appends those members of a notification that do not depend on
// the journal: what notify.Notification keeps as its Content.
func AppendContent(dst []byte, id string, d *notify.Draft) []byte {
	dst = append(dst, `"id":"`...)
	dst = append(dst, id...)
	dst = append(dst, `","type":"`...)
	dst = append(dst, d.Type...)
	dst = append(dst, '"')
	if d.Title != "" {
		dst = append(dst, `,"title":`...)
		dst = appendString(dst, d.Title)
	}
	if d.Body != "" {
		dst = append(dst, `,"body":`...)
		dst = appendString(dst, d.Body)
	}
	if len(d.Data) > 0 {
		dst = append(dst, `,"data":`...)
		dst = append(dst, d.Data...)
	}
	dst = append(dst, `,"priority":"`...)
	dst = append(dst, d.Priority...)
	dst = append(dst, '"')
	if d.Ephemeral {
		dst = append(dst, `,"ephemeral":true`...)
	}
	return dst
}

// AppendNotification appends n as the JSON object that clients read.
func AppendNotification(dst []byte, n *notify.Notification) []byte {
	dst = append(dst, '{')
	dst = append(dst, n.Content...)
	dst = append(dst, `,"time":"`...)
	dst = AppendTime(dst, n.Time)
	dst = append(dst, `","audience":"`...)
	dst = append(dst, n.Audience...)
	dst = append(dst, '"')
	if !n.Expires.IsZero() {
		dst = append(dst, `,"expires_at":"`...)
		dst = AppendTime(dst, n.Expires)
		dst = append(dst, '"')
	}
	return append(dst, '}')
}

// appendString appends s, which is valid UTF-8, as a JSON string.
func appendString(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, s)
	return dst
}

// Receipt is the answer to a publish as its publisher reads it. Status is set
// inside the answer to a batch alone.
type Receipt struct {
	Status     int    `json:"status,omitempty"`
	ID         string `json:"id"`
	Recipients int    `json:"recipients,omitempty"` // absent for everyone
	Duplicate  bool   `json:"duplicate"`
}

// ReceiptOf returns r as it is read.
func ReceiptOf(r notify.Receipt) Receipt {
	return Receipt{ID: r.ID, Recipients: r.Recipients, Duplicate: r.Duplicate}
}
