package ws

import "errors"

// Opcodes and bits of RFC 6455, section 5.2.
const (
	opText  = 0x1
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xA
	opBits  = 0x0F
	fin     = 0x80

	length16 = 126
	length64 = 127
	lengths  = 0x7F // without the bit below
	isMasked = 0x80
	maskSize = 4
)

// maxEmpty is how many fragments without content may follow each other. They would
// never reach the limit on the size of a message.
const maxEmpty = 16

var errHeader = errors.New("malformed frame")

// headers checks the headers of a peer's frames for what gorilla accepts: a close of
// one byte, lengths not in their shortest form, and messages of endlessly many empty
// fragments. gorilla checks the rest. Bytes after a close frame have no meaning: an
// endpoint discards them (RFC 6455, section 1.4).
type headers struct {
	left  uint64 // bytes of mask and payload to come
	size  uint64 // of the payload, as far as it was read
	more  uint8  // bytes of size to come
	long  bool   // size has 8 bytes
	first byte   // of the frame
	empty uint8  // fragments without content in a row
	state headerState
}

type headerState uint8

const (
	atFirst headerState = iota
	atLength
	atLongLength
	atPayload
	atEnd // after the header of a close frame: nothing is checked any more
)

// check reads the next bytes of the stream.
func (h *headers) check(p []byte) error {
	for len(p) > 0 && h.state != atEnd {
		if h.state == atPayload {
			n := min(h.left, uint64(len(p)))
			p = p[n:]
			if h.left -= n; h.left == 0 {
				h.state = atFirst
			}
			continue
		}
		if err := h.next(p[0]); err != nil {
			return err
		}
		p = p[1:]
	}
	return nil
}

// next reads a byte of a header.
func (h *headers) next(b byte) error {
	switch h.state {
	case atFirst:
		h.first, h.state = b, atLength
		return nil
	case atLength:
		switch n := b & lengths; n {
		case length16, length64:
			h.size, h.more, h.long, h.state = 0, 2, n == length64, atLongLength
			if h.long {
				h.more = 8
			}
			return nil
		default:
			h.size = uint64(n)
			return h.done()
		}
	default:
		h.size = h.size<<8 | uint64(b)
		if h.more--; h.more > 0 {
			return nil
		}
		if h.size < length16 || h.long && (h.size < 1<<16 || h.size >= 1<<63) {
			return errHeader
		}
		return h.done()
	}
}

// done is called at the end of a header.
func (h *headers) done() error {
	h.left, h.state = h.size+maskSize, atPayload
	switch op := h.first & opBits; {
	case op == opClose && h.size == 1:
		return errHeader
	case op == opClose:
		h.state = atEnd
	case op >= opClose: // control frames come between fragments
	case h.size > 0 || h.first&fin != 0:
		h.empty = 0
	default:
		if h.empty++; h.empty > maxEmpty {
			return errHeader
		}
	}
	return nil
}
