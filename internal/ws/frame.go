package ws

import (
	"encoding/binary"

	"github.com/gorilla/websocket"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/nowait"
	"github.com/bellhop/bellhop/internal/wire"
)

const (
	headSize   = 4         // of a frame with 126 bytes or more
	keepBuffer = 128 << 10 // larger ones are not kept
)

// buffer is where frames are encoded: everything that is written at once.
type buffer struct {
	out    []byte
	cursor []byte

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

// addText adds f as a text frame. It reports false if f is too large.
func (b *buffer) addText(f *hub.Frame, cursor []byte) bool {
	at := len(b.out)
	b.out = append(b.out, make([]byte, headSize)...)
	b.out = wire.AppendFrame(b.out, f.Event, cursor, f.Ref, f.Data)
	head, payload := b.out[at:at+headSize], b.out[at+headSize:]
	head[0] = fin | opText
	switch n := len(payload); {
	case n > wire.MaxFrame:
		b.out = b.out[:at]
		return false
	case n >= length16:
		head[1] = length16
		binary.BigEndian.PutUint16(head[2:], uint16(n))
	default: // a short one has a shorter head
		head[1] = byte(n)
		b.out = b.out[:at+2+copy(b.out[at+2:], payload)]
	}
	return true
}

// addControl adds a control frame, whose payload has 125 bytes at most.
func (b *buffer) addControl(op byte, payload string) {
	b.out = append(b.out, fin|op, byte(len(payload))) //nolint:gosec // at most 125, as said above
	b.out = append(b.out, payload...)
}

// addClose adds all that ends a connection: an event that says why, and the
// close frame.
func (b *buffer) addClose(why notify.Close) {
	b.addText(&hub.Frame{Event: "close", Data: wire.CloseData(why)}, nil)
	b.out = append(b.out, fin|opClose, byte(2+len(why.Reason)))    //nolint:gosec // at most 125, see notify.Close
	b.out = binary.BigEndian.AppendUint16(b.out, uint16(why.Code)) //nolint:gosec // of the list in package notify
	b.out = append(b.out, why.Reason...)
}

// addCloseAnswer adds the answer to a peer's close, which has the same code.
func (b *buffer) addCloseAnswer(code int) {
	if code == websocket.CloseNoStatusReceived {
		b.addControl(opClose, "")
		return
	}
	b.out = append(b.out, fin|opClose, 2)
	b.out = binary.BigEndian.AppendUint16(b.out, uint16(code)) //nolint:gosec // came as 16 bits
}
