package hostile

import (
	"slices"
	"strings"
)

// pieces returns the frames of a text in fragments of size bytes, with the bytes between
// after each fragment except the last.
func pieces(text string, size int, between string) string {
	var all strings.Builder
	op := byte(opText)
	for part := range slices.Chunk([]byte(text), size) {
		text = text[len(part):]
		all.WriteString(frame{op: op, payload: string(part), more: text != "", key: [4]byte{1, 2, 3, 4}}.bytes())
		if op = opMore; text != "" {
			all.WriteString(between)
		}
	}
	return all.String()
}

// fragments is category 5: fragmented messages.
func fragments() []frameCase {
	begun := frame{op: opText, payload: `{"event":`, more: true}.bytes()
	further := frame{op: opMore, payload: `"ping"`, more: true}.bytes()
	last := frame{op: opMore, payload: `}`}.bytes()
	empty := frame{op: opMore, more: true}.bytes()
	ping := one(opPing, "x")
	return []frameCase{
		violation("5.1 ping in two fragments", frame{op: opPing, payload: "a", more: true}.bytes()+frame{op: opMore, payload: "b"}.bytes()),
		violation("5.2 pong in two fragments", frame{op: opPong, payload: "a", more: true}.bytes()+frame{op: opMore, payload: "b"}.bytes()),
		{name: "5.3 text in two fragments", send: pieces(command(0), 20, ""), want: replies(1)},
		{name: "5.4 text in fragments of one byte", send: pieces(command(0), 1, ""), want: replies(1)},
		{name: "5.5 text in two fragments, byte by byte", send: pieces(command(0), 20, ""), byteByByte: true, want: replies(1)},
		{name: "5.6 ping between fragments", send: pieces(command(0), 20, ping), want: []string{"pong x", "reply 7"}},
		{
			name: "5.7 pings between many fragments", send: pieces(command(0), 9, ping),
			want: []string{"pong x", "pong x", "reply 7"},
		},
		{
			name: "5.8 ping between fragments, byte by byte", send: pieces(command(0), 20, ping), byteByByte: true,
			want: []string{"pong x", "reply 7"},
		},
		violation("5.9 last fragment without a first", last),
		violation("5.10 last fragment without a first, then a command", last+one(opText, command(0))),
		violation("5.11 last fragment without a first, byte by byte", last),
		violation("5.12 further fragment without a first", further),
		violation("5.13 further fragment without a first, then a command", further+one(opText, command(0))),
		violation("5.14 empty fragment without a first", empty),
		violation("5.15 fragment after the last", pieces(command(0), 20, "")+further).after(1),
		violation("5.16 last fragments without a first, twice", last+begun+last),
		violation("5.17 empty last fragment without a first", frame{op: opMore}.bytes()),
		violation("5.18 text within a text", begun+one(opText, command(0))),
		{
			name: "5.19 five fragments, pings in two places", want: []string{"pong x", "pong x", "reply 7"},
			send: five(ping),
		},
		violation("5.20 binary within a text", begun+one(opBinary, "x")),
		{name: "5.21 binary in fragments", send: frame{op: opBinary, payload: "a", more: true}.bytes() + frame{op: opMore, payload: "b"}.bytes(), want: closes("1003")},
		{name: "5.22 pong between fragments", send: pieces(command(0), 20, one(opPong, "x")), want: replies(1)},
		{name: "5.23 a few empty fragments", send: pieces(command(0), 20, strings.Repeat(empty, 16)), want: replies(1)},
		violation("5.24 endless empty fragments", begun+strings.Repeat(empty, 100)),
		violation("5.25 endless empty fragments from the start", frame{op: opText, more: true}.bytes()+strings.Repeat(empty, 100)),
		violation("5.26 endless empty fragments with pongs between", begun+strings.Repeat(empty+one(opPong, "x"), 100)),
		{name: "5.27 text of empty fragments", send: frame{op: opText, more: true}.bytes() + frame{op: opMore}.bytes(), want: closes("1008")},
		{name: "5.28 disconnect between fragments", send: begun, disconnect: true},
		{name: "5.29 flood of pings within a text", send: begun + strings.Repeat(one(opPing, ""), 101), want: append(slices.Repeat([]string{"pong "}, 100), "close 4429")},
	}
}

// five returns a command in five fragments with a ping after the second and the fourth.
func five(ping string) string {
	text, all, op := command(0), "", byte(opText)
	for i := range 5 {
		n := min(6, len(text))
		all += frame{op: op, payload: text[:n], more: i < 4}.bytes()
		if text, op = text[n:], opMore; i == 1 || i == 3 {
			all += ping
		}
	}
	return all
}

// texts is category 6: UTF-8 in single frames and across fragments.
func texts() []frameCase {
	ref := func(s string) string { return `{"event":"ping","ref":"` + s + `"}` }
	good := func(name, s string) frameCase {
		return frameCase{name: name, send: one(opText, ref(s)), want: []string{"reply " + s}}
	}
	bad := func(name, s string) frameCase {
		return frameCase{name: name, send: one(opText, ref(s)), want: closes("1007")}
	}
	greek := "κόσμε"
	return []frameCase{
		good("6.2.1 two bytes a character", greek),
		{name: "6.2.3 fragments that split characters", send: pieces(ref(greek), 1, ""), want: []string{"reply " + greek}},
		{
			name: "6.2.4 ping within a character", send: pieces(ref(greek), 24, one(opPing, "x")),
			want: []string{"pong x", "reply " + greek},
		},
		bad("6.3.1 surrogate", greek+"\xed\xa0\x80"),
		{name: "6.3.2 surrogate across fragments", send: pieces(ref(greek+"\xed\xa0\x80"), 1, ""), want: closes("1007")},
		{name: "6.4.1 invalid in the first of two fragments", send: pieces(ref("\xf4\x90\x80\x80 and more"), 30, ""), want: closes("1007")},
		good("6.5.1 U+FFFF", "\uffff"),
		good("6.6.1 U+10FFFF", "\U0010FFFF"),
		bad("6.6.2 beyond U+10FFFF", "\xf4\x90\x80\x80"),
		bad("6.8.1 five bytes a character", "\xf8\x88\x80\x80\x80"),
		bad("6.8.2 six bytes a character", "\xfc\x84\x80\x80\x80\x80"),
		bad("6.10.1 byte 0xFE", "\xfe"),
		bad("6.10.2 byte 0xFF", "\xff"),
		bad("6.12.1 lone continuation", "\x80"),
		bad("6.14.1 incomplete character", "\xe2\x82"),
		{name: "6.14.2 text that ends within a character", send: one(opText, "{\xe2\x82"), want: closes("1007")},
		bad("6.18.1 slash in two bytes", "\xc0\xaf"),
		bad("6.18.2 slash in three bytes", "\xe0\x80\xaf"),
		bad("6.20.1 zero in two bytes", "\xc0\x80"),
		bad("6.21.1 pair of surrogates", "\xed\xa0\x80\xed\xb0\x80"),
		good("6.22.1 noncharacter", "\ufffe"),
		good("6.23.1 replacement character", "\ufffd"),
		{name: "6.24.1 byte order mark", send: one(opText, "\xef\xbb\xbf"+command(0)), want: closes("1008")},
		{name: "6.24.2 UTF-16", send: one(opText, "\xff\xfe{\x00}\x00"), want: closes("1007")},
		{name: "6.24.3 zero in a string", send: one(opText, ref("\x00")), want: closes("1008")},
		{name: "6.24.4 half a surrogate pair by escape", send: one(opText, ref(`\ud800`)), want: closes("1008")},
	}
}
