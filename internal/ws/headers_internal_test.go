package ws

import (
	"bytes"
	"errors"
	"testing"
	"unsafe"
)

// A stream is judged alike however the network cuts it.
func FuzzHeaders(f *testing.F) {
	f.Add([]byte{fin | opText, 0x82, 0, 0, 0, 0, '{', '}'}, 3)
	f.Add([]byte{fin | opClose, 0x81, 0, 0, 0, 0, 3}, 1)
	f.Add([]byte{fin | opText, 0x80 | length16, 0, 2, 0, 0, 0, 0, '{', '}'}, 2)
	f.Add([]byte{fin | opText, 0x80 | length64, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}, 5)
	f.Add(bytes.Repeat([]byte{0, 0x80, 0, 0, 0, 0}, maxEmpty+1), 7)
	f.Add(append([]byte{fin | opClose, 0x80, 0, 0, 0, 0}, bytes.Repeat([]byte{0xFF}, 20)...), 9)
	f.Fuzz(func(t *testing.T, stream []byte, cut int) {
		cut = min(max(cut, 0), len(stream))
		var whole, parts, single headers
		want := whole.check(stream)
		got := parts.check(stream[:cut])
		if got == nil {
			got = parts.check(stream[cut:])
		}
		var one error
		for i := 0; i < len(stream) && one == nil; i++ {
			one = single.check(stream[i : i+1])
		}
		if !errors.Is(got, want) || !errors.Is(one, want) || want == nil && (whole != parts || whole != single) {
			t.Errorf("whole: %v %+v, in parts: %v %+v, byte by byte: %v %+v", want, whole, got, parts, one, single)
		}
	})
}

// There may be a million.
func TestSocketIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(socket{}); size > 256 {
		t.Errorf("%d bytes", size)
	}
}
