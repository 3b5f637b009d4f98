package hostile

import (
	"fmt"
	"slices"
	"strings"
)

// pings is category 2: pings and pongs.
func pings() []frameCase {
	binary := "\x00\xFF\xFE\xFD\xFC\xFB\x00\xFF"
	ten, pongs := "", []string(nil)
	for i := range 10 {
		ten += one(opPing, fmt.Sprint("payload ", i))
		pongs = append(pongs, fmt.Sprint("pong payload ", i))
	}
	return []frameCase{
		{name: "2.1 ping without content", send: one(opPing, ""), want: []string{"pong "}},
		{name: "2.2 ping with text", send: one(opPing, "Hello, world!"), want: []string{"pong Hello, world!"}},
		{name: "2.3 ping with bytes", send: one(opPing, binary), want: []string{"pong " + binary}},
		{name: "2.4 ping of 125 bytes", send: one(opPing, strings.Repeat("\xFE", 125)), want: []string{"pong " + strings.Repeat("\xFE", 125)}},
		violation("2.5 ping of 126 bytes", one(opPing, strings.Repeat("\xFE", 126))),
		{
			name: "2.6 ping byte by byte", send: one(opPing, strings.Repeat("\xFE", 125)), byteByByte: true,
			want: []string{"pong " + strings.Repeat("\xFE", 125)},
		},
		{name: "2.7 unsolicited pong", send: one(opPong, "")},
		{name: "2.8 unsolicited pong with content", send: one(opPong, "unsolicited")},
		{name: "2.9 pong, then ping", send: one(opPong, "unsolicited") + one(opPing, "x"), want: []string{"pong x"}},
		{name: "2.10 ten pings", send: ten, want: pongs},
		{name: "2.11 ten pings byte by byte", send: ten, byteByByte: true, want: pongs},
		violation("2.12 pong of 126 bytes", one(opPong, strings.Repeat("x", 126))),
		{name: "2.13 flood of pings", send: strings.Repeat(one(opPing, ""), 101), want: append(slices.Repeat([]string{"pong "}, 100), "close 4429")},
		{name: "2.14 a thousand pongs", send: strings.Repeat(one(opPong, "x"), 1000)},
	}
}

// closings is category 7: close frames.
func closings() []frameCase {
	goodbye := one(opClose, closing(1000, ""))
	cases := []frameCase{
		{name: "7.1.1 command, then close", send: one(opText, command(0)) + goodbye, want: append(replies(1), "close 1000")},
		{name: "7.1.2 two closes", send: goodbye + goodbye, want: closes("1000")},
		{name: "7.1.3 ping after close", send: goodbye + one(opPing, "late"), want: closes("1000")},
		{name: "7.1.4 command after close", send: goodbye + one(opText, command(0)), want: closes("1000")},
		{
			name: "7.1.5 close within a text", want: closes("1000"),
			send: frame{op: opText, payload: `{"event":`, more: true}.bytes() + goodbye + frame{op: opMore, payload: `"ping"}`}.bytes(),
		},
		{name: "7.1.6 many commands after close", send: goodbye + strings.Repeat(one(opText, command(16<<10)), 40), want: closes("1000")},
		{name: "7.1.7 invalid bytes after close", send: goodbye + strings.Repeat("\xFF", 100), want: closes("1000")},
		{name: "7.3.1 close without a code", send: one(opClose, ""), want: []string{"close"}},
		violation("7.3.2 close of one byte", one(opClose, "\x03")),
		{name: "7.3.3 close with a code", send: goodbye, want: closes("1000")},
		{name: "7.3.4 close with a reason", send: one(opClose, closing(1000, "good bye")), want: closes("1000")},
		{name: "7.3.5 close with the longest reason", send: one(opClose, closing(1000, strings.Repeat("x", 123))), want: closes("1000")},
		violation("7.3.6 close with a longer reason", one(opClose, closing(1000, strings.Repeat("x", 124)))),
		violation("7.3.7 close in two fragments", frame{op: opClose, payload: closing(1000, ""), more: true}.bytes()),
		{name: "7.3.8 close byte by byte", send: goodbye, byteByByte: true, want: closes("1000")},
		violation("7.5.1 close with a reason that is not UTF-8", one(opClose, closing(1000, "\xce\xba\xed\xa0\x80edited"))),
	}
	for i, code := range []uint16{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999} {
		cases = append(cases, frameCase{
			name: fmt.Sprintf("7.7.%d code %d", i+1, code), send: one(opClose, closing(code, "")), want: closes(fmt.Sprint(code)),
		})
	}
	for i, code := range []uint16{0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		cases = append(cases, violation(fmt.Sprintf("7.9.%d code %d", i+1, code), one(opClose, closing(code, ""))))
	}
	return cases
}
