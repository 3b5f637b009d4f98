package hostile

import (
	"strings"
)

// sizes is category 9: messages at the size limit and above, and floods.
func sizes() []frameCase {
	const most = 16 << 10
	return []frameCase{
		{name: "9.1.1 text of 16 KiB", send: one(opText, command(most)), want: replies(1)},
		{name: "9.1.2 text of one byte more", send: one(opText, command(most+1)), want: closes("1009")},
		{name: "9.1.3 text of 256 KiB", send: one(opText, command(256<<10)), want: closes("1009")},
		{name: "9.1.4 header of 16 KiB without content", send: frame{op: opText, claims: most}.bytes(), disconnect: true},
		{name: "9.1.5 header of one byte more without content", send: frame{op: opText, claims: most + 1}.bytes(), want: closes("1009")},
		{name: "9.2.1 binary of 256 KiB", send: one(opBinary, command(256<<10)), want: closes("1009")},
		{name: "9.3.1 16 KiB in fragments of 64 bytes", send: pieces(command(most), 64, ""), want: replies(1)},
		{name: "9.3.2 16 KiB in fragments of 1 byte", send: pieces(command(most), 1, ""), want: replies(1)},
		{name: "9.3.3 one byte more in fragments of 64 bytes", send: pieces(command(most+1), 64, ""), want: closes("1009")},
		{name: "9.3.4 one byte more, in the last of two fragments", send: pieces(command(most+1), most, ""), want: closes("1009")},
		{
			name: "9.3.5 endless fragments", want: closes("1009"),
			send: frame{op: opText, payload: "{", more: true}.bytes() +
				strings.Repeat(frame{op: opMore, payload: strings.Repeat(" ", 1000), more: true}.bytes(), 100),
		},
		{name: "9.3.6 huge fragment after a small one", send: frame{op: opText, payload: "{", more: true}.bytes() + frame{op: opMore, claims: 1<<63 - 1, form: 64}.bytes(), want: closes("1009")},
		{name: "9.7.1 commands up to the limit", send: strings.Repeat(one(opText, command(0)), 99), want: replies(99)},
		{name: "9.7.2 commands beyond the limit", send: strings.Repeat(one(opText, command(0)), 101), want: append(replies(100), "close 4429")},
		{name: "9.7.3 commands far beyond the limit", send: strings.Repeat(one(opText, command(1000)), 1000), want: append(replies(100), "close 4429")},
	}
}

// others is category 10: invalid commands and other protocols.
func others() []frameCase {
	closed := func(name, text, code string) frameCase {
		return frameCase{name: name, send: one(opText, text), want: closes(code)}
	}
	refused := func(name, text, want string) frameCase {
		return frameCase{name: name, send: one(opText, text), want: []string{want}}
	}
	return []frameCase{
		{name: "10.1.1 text in fragments of a packet's size", send: pieces(command(16<<10), 1300, ""), want: replies(1)},
		closed("10.2.1 array", `[{"event":"ping"}]`, "1008"),
		closed("10.2.2 string", `"ping"`, "1008"),
		closed("10.2.3 number", `1e999`, "1008"),
		closed("10.2.4 null", `null`, "1008"),
		closed("10.2.5 not JSON", `ping`, "1008"),
		closed("10.2.6 two objects", `{"event":"ping"}{"event":"ping"}`, "1008"),
		closed("10.2.7 incomplete object", `{"event":"ping"`, "1008"),
		closed("10.2.8 sixteen thousand brackets", strings.Repeat("[", 16<<10), "1008"),
		refused("10.3.1 object without members", `{}`, "error  invalid"),
		refused("10.3.2 unknown event", `{"event":"sudo","ref":"7"}`, "error 7 invalid"),
		refused("10.3.3 event that is not a string", `{"event":{"event":"ping"},"ref":"7"}`, "error 7 invalid"),
		refused("10.3.4 member twice", `{"event":"ping","event":"publish","ref":"7"}`, "error 7 malformed"),
		refused("10.3.5 unknown member", `{"event":"ping","ref":"7","__proto__":{}}`, "error 7 invalid"),
		refused("10.3.6 long ref", `{"event":"ping","ref":"`+strings.Repeat("7", 65)+`"}`, "error  invalid"),
		refused("10.3.7 ref that is not a string", `{"event":"ping","ref":7}`, "error  invalid"),
		refused("10.3.8 deep", `{"event":"ping","ref":"7","data":`+strings.Repeat(`{"a":`, 40)+`1`+strings.Repeat(`}`, 41), "error 7 malformed"),
		refused("10.3.9 very deep", `{"event":"ping","ref":"7","data":`+strings.Repeat(`[`, 8000)+strings.Repeat(`]`, 8000)+`}`, "error 7 malformed"),
		refused("10.4.1 publish without the scope", `{"event":"publish","ref":"7","data":{"to":{"users":["control"]},"type":"t"}}`, "error 7 scope"),
		refused("10.4.2 event of the service", `{"event":"notification","ref":"7","data":{}}`, "error 7 invalid"),
		violation("10.5.1 HTTP after the handshake", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		violation("10.5.2 TLS after the handshake", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
		violation("10.5.3 zeros", strings.Repeat("\x00", 100)),
		violation("10.5.4 ones", strings.Repeat("\xFF", 100)),
	}
}
