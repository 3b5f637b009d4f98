package entry

import (
	"encoding/binary"
	"fmt"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/pack"
)

// messageVersion is the only version of messages so far.
const messageVersion = 1

// AppendMessage appends the encoding of entries as a message.
func AppendMessage(dst []byte, entries []notify.Entry) []byte {
	dst = BeginMessage(dst)
	for _, e := range entries {
		dst = AppendPart(dst, e)
	}
	return dst
}

// BeginMessage appends the beginning of a message. The parts of its entries follow, in
// any number.
func BeginMessage(dst []byte) []byte { return append(dst, messageVersion) }

// AppendPart appends the part of an entry in a message.
func AppendPart(dst []byte, e notify.Entry) []byte {
	start := len(dst)
	dst = Append(dst, e)
	size := len(dst) - start
	var length [binary.MaxVarintLen64]byte
	n := binary.PutUvarint(length[:], uint64(size)) //nolint:gosec // a length
	dst = append(dst, length[:n]...)
	copy(dst[start+n:], dst[start:start+size])
	copy(dst[start:], length[:n])
	return dst
}

// DecodeMessage returns the entries that b encodes. One that cannot be decoded is a
// notify.Unknown, and so is a message as a whole. The entries keep parts of b.
func DecodeMessage(b []byte) []notify.Entry {
	r := pack.NewReader(b)
	if v := r.Byte(); v != messageVersion {
		return unknownMessage(b, fmt.Sprintf("a message of version %d", v))
	}
	count, parts := 0, *r
	for parts.Len() > 0 {
		parts.Sized()
		count++
	}
	if parts.Err() != nil {
		return unknownMessage(b, "a malformed message")
	}
	entries := make([]notify.Entry, count)
	for i := range entries {
		entries[i] = Decode(r.Sized())
	}
	return entries
}

func unknownMessage(b []byte, reason string) []notify.Entry {
	return []notify.Entry{notify.Unknown{Reason: reason, Encoded: b}}
}
