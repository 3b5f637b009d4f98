package entry

import (
	"fmt"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/pack"
)

// messageVersion is the only version of messages so far.
const messageVersion = 1

// AppendMessage appends the encoding of entries with their times.
func AppendMessage(dst []byte, entries []notify.Stamped) []byte {
	dst = pack.AppendUint(append(dst, messageVersion), uint64(len(entries)))
	var buffer []byte
	for _, e := range entries {
		buffer = Append(buffer[:0], e.Entry)
		dst = pack.AppendString(pack.AppendInstant(dst, e.Time), buffer)
	}
	return dst
}

// DecodeMessage returns the entries that b encodes. One that cannot be decoded is a
// notify.Unknown, and so is a message as a whole, without a time. The entries keep parts
// of b.
func DecodeMessage(b []byte) []notify.Stamped {
	r := pack.NewReader(b)
	if v := r.Byte(); v != messageVersion {
		return unknownMessage(b, fmt.Sprintf("a message of version %d", v))
	}
	entries := make([]notify.Stamped, 0, r.Count())
	for range cap(entries) {
		at := r.Instant()
		encoded := r.Sized()
		if r.Err() != nil {
			break
		}
		entries = append(entries, notify.Stamped{Entry: Decode(encoded), Time: at})
	}
	if r.End() != nil {
		return unknownMessage(b, "a malformed message")
	}
	return entries
}

func unknownMessage(b []byte, reason string) []notify.Stamped {
	return []notify.Stamped{{Entry: notify.Unknown{Reason: reason, Encoded: b}}}
}
