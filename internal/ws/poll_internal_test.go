//go:build linux

package ws

import "testing"

func TestOnlyPongs(t *testing.T) {
	pong := string([]byte{fin | opPong, isMasked, 1, 2, 3, 4})
	full := string([]byte{fin | opPong, isMasked | 125}) + string(make([]byte, maskSize+125))
	for bytes, want := range map[string]bool{
		pong:                              true,
		pong + full + pong:                true,
		pong[:5]:                          false,
		pong + full[:100]:                 false,
		pong + "\x81\x80\x01\x02\x03\x04": false, // a text behind it
		"\x89\x80\x01\x02\x03\x04":        false, // a ping
		"\x8a\x00":                        false, // not masked
		"\xca\x80\x01\x02\x03\x04":        false, // a reserved bit
		"\x0a\x80\x01\x02\x03\x04":        false, // a fragment
		"\x8a\xfe\x00\x7e\x01\x02\x03\x04" + full: false, // too long for a control frame
	} {
		if got := onlyPongs([]byte(bytes)); got != want {
			t.Errorf("%x: %v", bytes, got)
		}
	}
}
