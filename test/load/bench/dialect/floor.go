package dialect

import (
	"strings"

	"github.com/bellhop/bellhop/test/load/bench/frame"
	"github.com/bellhop/bellhop/test/load/bench/mark"
)

// Floor is the dialect of bench/floor. It sends a token that the floor ignores, so that
// both servers read requests of similar size. The body of a publish is the complete frame,
// as long as that of the service.
type Floor struct{ token string }

// NewFloor returns the dialect of the floor.
func NewFloor() Floor {
	return Floor{token: strings.Repeat("x", 190)}
}

// Upgrade implements Dialect.
func (f Floor) Upgrade(dst []byte, user uint32, _ []byte) []byte {
	return appendUpgrade(dst, []byte("/ws?user="+UserName(user)), f.token)
}

// Greets implements Dialect.
func (f Floor) Greets() bool { return false }

// Publish implements Dialect. The floor has no batches, so only the first mark is sent.
func (f Floor) Publish(dst []byte, _ int, marks []mark.Mark, _ Kind) []byte {
	m, target := marks[0], "/notify"
	if m.User != mark.Everyone {
		target += "?user=" + UserName(m.User)
	}
	text := make([]byte, 0, 512)
	text = append(text, `{"event":"notification","cursor":"`...)
	text = append(text, strings.Repeat("c", 64)...)
	text = append(text, `","data":{"id":"00000000-0000-0000-0000-000000000000","type":"load.test","data":`...)
	text = appendData(text, m)
	text = append(text, `,"priority":"normal","time":"2026-12-01T09:00:00.000Z","audience":"user"}}`...)
	return appendPost(dst, []byte(target), f.token, frame.Append(nil, frame.Text, text))
}
