package ws

import (
	"encoding/binary"

	"github.com/gorilla/websocket"

	"github.com/bellhop/bellhop/internal/nowait"
)

const (
	headerSize = 4         // of a frame with 126 bytes or more
	keepBuffer = 128 << 10 // larger buffers are not reused

	// maxSent is the maximum payload of a frame to the peer: what 16 bits express.
	maxSent = 1<<16 - 1

	// maxReason is how many bytes of a reason fit into a close frame with the code.
	maxReason = 125 - 2
)

// buffer holds the frames of one write.
type buffer struct {
	out    []byte
	writer nowait.Writer // that writes out
}

func (h *Handler) newBuffer() *buffer {
	if b, ok := h.buffers.Get().(*buffer); ok {
		return b
	}
	return new(buffer)
}

func (h *Handler) freeBuffer(b *buffer) {
	if cap(b.out) <= keepBuffer {
		b.out = b.out[:0]
		h.buffers.Put(b)
	}
}

// beginText reserves the space of the header of a text frame and returns where the frame
// begins. The caller appends the payload and calls endText.
func (b *buffer) beginText() (start int) {
	start = len(b.out)
	b.out = append(b.out, make([]byte, headerSize)...)
	return start
}

// endText writes the header of the frame that begins at start. It reports false, and
// drops the frame, if its payload is too large.
func (b *buffer) endText(start int) bool {
	header, payload := b.out[start:start+headerSize], b.out[start+headerSize:]
	header[0] = fin | opText
	switch n := len(payload); {
	case n > maxSent:
		b.out = b.out[:start]
		return false
	case n >= length16:
		header[1] = length16
		binary.BigEndian.PutUint16(header[2:], uint16(n))
	default: // the header of a short frame is shorter
		header[1] = byte(n)
		b.out = b.out[:start+2+copy(b.out[start+2:], payload)]
	}
	return true
}

// addControl adds a control frame, whose payload has 125 bytes at most.
func (b *buffer) addControl(op byte, payload string) {
	b.out = append(b.out, fin|op, byte(len(payload))) //nolint:gosec // at most 125, as said above
	b.out = append(b.out, payload...)
}

// addClose adds a close frame with a code and a reason, which is cut to what fits.
func (b *buffer) addClose(code int, reason string) {
	reason = reason[:min(len(reason), maxReason)]
	b.out = append(b.out, fin|opClose, byte(2+len(reason)))    //nolint:gosec // at most 125
	b.out = binary.BigEndian.AppendUint16(b.out, uint16(code)) //nolint:gosec // of RFC 6455: four digits
	b.out = append(b.out, reason...)
}

// addCloseAnswer adds the answer to a close frame of the peer, which has the same code.
func (b *buffer) addCloseAnswer(code int) {
	if code == websocket.CloseNoStatusReceived {
		b.addControl(opClose, "")
		return
	}
	b.addClose(code, "")
}
