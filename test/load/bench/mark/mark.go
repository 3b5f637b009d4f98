// Package mark defines the mark that the load tool puts into every notification's data and
// finds in the frames that a socket receives: the user, the number in the order, and the
// time of sending. Finding it needs no JSON parser.
package mark

import "bytes"

// Everyone is the User of a broadcast.
const Everyone = ^uint32(0)

// Mark identifies one notification. Sequences count from 1 without a gap. In lane 0, which
// is for notifications to one user, they count for each user; in each other lane they count
// the broadcasts of that lane.
type Mark struct {
	Lane     uint16
	User     uint32
	Sequence uint32
	Sent     int64 // nanoseconds on the clock of the tool
}

// A mark is written as ~LLLL.UUUUUUUU.SSSSSSSS.TTTTTTTTTTTTTTTT~ in hexadecimal.
// Nothing else in a frame has a tilde: cursors, identifiers and times do not.
const (
	fence  = '~'
	length = len("~LLLL.UUUUUUUU.SSSSSSSS.TTTTTTTTTTTTTTTT~")
)

// Append appends m to dst.
func Append(dst []byte, m Mark) []byte {
	dst = append(dst, fence)
	dst = appendHex(dst, uint64(m.Lane), 4)
	dst = append(dst, '.')
	dst = appendHex(dst, uint64(m.User), 8)
	dst = append(dst, '.')
	dst = appendHex(dst, uint64(m.Sequence), 8)
	dst = append(dst, '.')
	dst = appendHex(dst, uint64(m.Sent), 16)
	return append(dst, fence)
}

// Find returns the first mark in text, and whether there is one.
func Find(text []byte) (Mark, bool) {
	at := bytes.IndexByte(text, fence)
	if at < 0 || len(text)-at < length || text[at+length-1] != fence {
		return Mark{}, false
	}
	text = text[at+1:]
	lane, ok1 := parseHex(text[:4])
	user, ok2 := parseHex(text[5:13])
	sequence, ok3 := parseHex(text[14:22])
	sent, ok4 := parseHex(text[23:39])
	m := Mark{Lane: uint16(lane), User: uint32(user), Sequence: uint32(sequence), Sent: int64(sent)}
	return m, ok1 && ok2 && ok3 && ok4
}

func appendHex(dst []byte, v uint64, digits int) []byte {
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		dst = append(dst, "0123456789abcdef"[v>>shift&15])
	}
	return dst
}

func parseHex(text []byte) (v uint64, ok bool) {
	for _, c := range text {
		switch {
		case '0' <= c && c <= '9':
			v = v<<4 | uint64(c-'0')
		case 'a' <= c && c <= 'f':
			v = v<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return v, true
}
