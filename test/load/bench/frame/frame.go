// Package frame reads the WebSocket frames of a server and writes the few that a load
// client and the floor need (RFC 6455, section 5). It keeps no state and copies nothing:
// the caller keeps incomplete frames.
package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The opcodes that a server may send here.
const (
	Text  = 0x1
	Close = 0x8
	Ping  = 0x9
	Pong  = 0xA
)

// MaxPayload is the largest payload that the service may send to a client.
const MaxPayload = 64 << 10

// ErrShort means that the frame is incomplete: read more and try again.
var ErrShort = errors.New("frame is not complete")

// Frame is one frame of a server. Payload is a slice of the data it was read from.
type Frame struct {
	Op      byte
	Payload []byte
}

const (
	final     = 0x80
	reserved  = 0x70
	masked    = 0x80
	length16  = 126
	length64  = 127
	opcodes   = 0x0f
	inControl = 125 // largest payload of a control frame
)

// Next splits the first frame off data. It returns an error other than ErrShort for a frame
// that a server must not send, or that the service never sends (binary, fragmented, larger
// than MaxPayload).
func Next(data []byte) (f Frame, rest []byte, err error) {
	if len(data) < 2 {
		return Frame{}, data, ErrShort
	}
	f.Op = data[0] & opcodes
	size, head, err := payloadSize(data)
	if err != nil {
		return Frame{}, data, err
	}
	switch {
	case data[0]&final == 0:
		return Frame{}, data, errors.New("unexpected fragmented frame")
	case data[0]&reserved != 0 || data[1]&masked != 0:
		return Frame{}, data, fmt.Errorf("unexpected frame header %#x %#x", data[0], data[1])
	case f.Op != Text && f.Op != Close && f.Op != Ping && f.Op != Pong:
		return Frame{}, data, fmt.Errorf("unexpected opcode %#x", f.Op)
	case size > MaxPayload || f.Op != Text && size > inControl:
		return Frame{}, data, fmt.Errorf("frame of %d bytes with opcode %#x is too large", size, f.Op)
	case uint64(len(data)-head) < size:
		return Frame{}, data, ErrShort
	}
	end := head + int(size)
	f.Payload = data[head:end]
	return f, data[end:], nil
}

// payloadSize returns the size of the payload and where it starts.
func payloadSize(data []byte) (size uint64, head int, err error) {
	switch short := data[1] &^ masked; {
	case short == length16 && len(data) >= 4:
		return uint64(binary.BigEndian.Uint16(data[2:])), 4, nil
	case short == length64 && len(data) >= 10:
		return binary.BigEndian.Uint64(data[2:]), 10, nil
	case short < length16:
		return uint64(short), 2, nil
	}
	return 0, 0, ErrShort
}

// Append appends a server's frame to dst.
func Append(dst []byte, op byte, payload []byte) []byte {
	return append(appendHead(dst, op, len(payload), 0), payload...)
}

// AppendMasked appends a client's frame to dst, masked with key.
func AppendMasked(dst []byte, op byte, payload []byte, key [4]byte) []byte {
	dst = appendHead(dst, op, len(payload), masked)
	dst = append(dst, key[:]...)
	for i, b := range payload {
		dst = append(dst, b^key[i%4])
	}
	return dst
}

func appendHead(dst []byte, op byte, size int, mask byte) []byte {
	dst = append(dst, final|op)
	switch {
	case size < length16:
		return append(dst, mask|byte(size))
	case size < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, mask|length16), uint16(size))
	default:
		return binary.BigEndian.AppendUint64(append(dst, mask|length64), uint64(size))
	}
}
