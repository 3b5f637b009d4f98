package hostile

import (
	"fmt"
	"strings"
)

const zeros = "\x00\x00\x00\x00"

// framing is category 1: lengths, opcodes and masks.
func framing() []frameCase {
	text := func(size int) string { return one(opText, command(size)) }
	return []frameCase{
		{name: "1.1.1 text without content", send: one(opText, ""), want: closes("1008")},
		{name: "1.1.2 text of 125 bytes", send: text(125), want: replies(1)},
		{name: "1.1.3 text of 126 bytes", send: text(126), want: replies(1)},
		{name: "1.1.4 text of 127 bytes", send: text(127), want: replies(1)},
		{name: "1.1.5 text of 128 bytes", send: text(128), want: replies(1)},
		{name: "1.1.6 text of 65,535 bytes", send: text(65_535), want: closes("1009")},
		{name: "1.1.7 text of 65,536 bytes", send: text(65_536), want: closes("1009")},
		{name: "1.1.8 text byte by byte", send: text(128), byteByByte: true, want: replies(1)},
		{name: "1.2.1 binary without content", send: one(opBinary, ""), want: closes("1003")},
		{name: "1.2.2 binary of 125 bytes", send: one(opBinary, command(125)), want: closes("1003")},
		{name: "1.2.3 binary of 126 bytes", send: one(opBinary, command(126)), want: closes("1003")},
		{name: "1.2.7 binary of 65,536 bytes", send: one(opBinary, command(65_536)), want: closes("1009")},
		{name: "1.3.1 mask of zeros", send: frame{op: opText, payload: command(0)}.bytes(), want: replies(1)},
		violation("1.3.2 text not masked", frame{op: opText, payload: command(0), unmasked: true}.bytes()),
		violation("1.3.3 ping not masked", frame{op: opPing, unmasked: true}.bytes()),
		violation("1.3.4 close not masked", frame{op: opClose, payload: closing(1000, ""), unmasked: true}.bytes()),
		violation("1.3.5 not masked after masked", text(0)+frame{op: opText, payload: command(0), unmasked: true}.bytes()).after(1),
		{name: "1.3.6 masked with another key than in the header", send: mismasked(), want: closes("1007")},
		violation("1.4.1 length in 16 bits that fits in 7", frame{op: opText, payload: command(125), form: 16}.bytes()),
		violation("1.4.2 length in 64 bits that fits in 7", frame{op: opText, payload: command(125), form: 64}.bytes()),
		violation("1.4.3 length in 64 bits that fits in 16", frame{op: opText, payload: command(200), form: 64}.bytes()),
		violation("1.4.4 length in 64 bits, the top one set", "\x81\xFF\x80\x00\x00\x00\x00\x00\x00\x00"+zeros),
		violation("1.4.5 length in 64 bits, all set", "\x81\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"+zeros),
		{name: "1.4.6 length of 2^63-1", send: frame{op: opText, claims: 1<<63 - 1, form: 64}.bytes(), want: closes("1009")},
		{name: "1.4.7 length of 4 GiB", send: frame{op: opText, claims: 1 << 32, form: 64}.bytes(), want: closes("1009")},
		violation("1.4.8 ping with its length in 16 bits", frame{op: opPing, payload: "x", form: 16}.bytes()),
		violation("1.4.9 zero in 64 bits", frame{op: opText, form: 64}.bytes()),
		{name: "1.5.1 disconnect within a header", send: "\x81", disconnect: true},
		{name: "1.5.2 disconnect within a length", send: "\x81\xFE\x00", disconnect: true},
		{name: "1.5.3 disconnect within a mask", send: "\x81\x85\x01\x02", disconnect: true},
		{name: "1.5.4 disconnect within a payload", send: frame{op: opText, payload: "{", claims: 1000}.bytes(), disconnect: true},
		{name: "1.5.5 disconnect without sending", disconnect: true},
	}
}

// after returns c with n valid commands, and so n replies, before it.
func (c frameCase) after(n int) frameCase {
	c.want = append(replies(n), c.want...)
	return c
}

// mismasked returns a command that is masked with another key than in its header. Its
// unmasked text is not UTF-8.
func mismasked() string {
	whole := frame{op: opText, payload: command(0)}.bytes()
	return strings.Replace(whole, zeros, "\xFF\xFF\xFF\xFF", 1)
}

// reserved is category 3: reserved bits without an extension that uses them.
func reserved() []frameCase {
	good := one(opText, command(0))
	cases := []frameCase{
		violation("3.1 RSV1 set", frame{op: opText, rsv: 4, payload: command(0)}.bytes()),
		violation("3.2 RSV2 set, after a command", good+frame{op: opText, rsv: 2, payload: command(0)}.bytes()).after(1),
		violation("3.3 RSV3 set, after a command", good+frame{op: opText, rsv: 1, payload: command(0)}.bytes()).after(1),
		violation("3.4 RSV1 and RSV2 set, byte by byte", frame{op: opText, rsv: 6, payload: command(0)}.bytes()),
		violation("3.5 all set in a binary frame", frame{op: opBinary, rsv: 7, payload: "x"}.bytes()),
		violation("3.6 RSV3 set in a ping", frame{op: opPing, rsv: 1, payload: "x"}.bytes()),
		violation("3.7 all set in a close", frame{op: opClose, rsv: 7, payload: closing(1000, "")}.bytes()),
		violation("3.8 RSV1 set in a further fragment", frame{op: opText, payload: "{", more: true}.bytes()+
			frame{op: opMore, rsv: 4, payload: "}"}.bytes()),
		violation("3.9 RSV1 set as deflate does", frame{op: opText, rsv: 4, payload: "\xab\x56\x4a\x2d\x4b\xcd\x2b\x51\xb2\x52"}.bytes()),
	}
	cases[3].byteByByte = true
	return cases
}

// opcodes is category 4: undefined opcodes, with and without content, also after a valid
// command.
func opcodes() []frameCase {
	var cases []frameCase
	for i, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		name := fmt.Sprintf("4.%d.%d opcode %d", 1+i/5, 1+i%5, op)
		cases = append(cases, violation(name, frame{op: op}.bytes()))
		cases = append(cases, violation(name+" with content, after a command",
			one(opText, command(0))+frame{op: op, payload: "content"}.bytes()).after(1))
	}
	return cases
}
