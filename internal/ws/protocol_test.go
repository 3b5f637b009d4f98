package ws_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// Each violation of the protocol ends the connection with its code.
func TestBreachesOfProtocol(t *testing.T) {
	text := func(s string) []byte { return masked(fin|opText, []byte(s)) }
	for name, c := range map[string]struct {
		sent   []byte
		code   int
		reason string
	}{
		"not masked":               {[]byte{fin | opText, 2, '{', '}'}, 1002, "protocol-error"},
		"reserved bit":             {masked(fin|0x40|opText, []byte("{}")), 1002, "protocol-error"},
		"compressed":               {masked(fin|0x20|opText, []byte("{}")), 1002, "protocol-error"},
		"reserved opcode":          {masked(fin|0x3, nil), 1002, "protocol-error"},
		"continues nothing":        {masked(fin|opContinue, []byte("{}")), 1002, "protocol-error"},
		"text within a message":    {slices.Concat(masked(opText, []byte("{")), text("{}")), 1002, "protocol-error"},
		"fragmented ping":          {masked(opPing, nil), 1002, "protocol-error"},
		"long ping":                {masked(fin|opPing, make([]byte, 126)), 1002, "protocol-error"},
		"close of one byte":        {masked(fin|opClose, []byte{3}), 1002, "protocol-error"},
		"close 1005":               {masked(fin|opClose, []byte{3, 0xED}), 1002, "protocol-error"},
		"close 1006":               {masked(fin|opClose, []byte{3, 0xEE}), 1002, "protocol-error"},
		"close 999":                {masked(fin|opClose, []byte{3, 0xE7}), 1002, "protocol-error"},
		"close 5000":               {masked(fin|opClose, []byte{0x13, 0x88}), 1002, "protocol-error"},
		"close reason not UTF-8":   {masked(fin|opClose, []byte{3, 0xE8, 0xFF}), 1002, "protocol-error"},
		"length not the shortest":  {[]byte{fin | opText, 0x80 | 126, 0, 2, 0, 0, 0, 0, '{', '}'}, 1002, "protocol-error"},
		"length with the high bit": {slices.Concat([]byte{fin | opText, 0x80 | 127, 0x80}, make([]byte, 11)), 1002, "protocol-error"},
		"endless empty fragments":  {slices.Concat(masked(opText, nil), bytes.Repeat(masked(opContinue, nil), 30)), 1002, "protocol-error"},
		"binary":                   {masked(fin|opBinary, []byte("{}")), 1003, "text-frames-only"},
		"not UTF-8":                {masked(fin|opText, []byte{'"', 0xC3, 0x28, '"'}), 1007, "not-utf-8"},
		"not UTF-8, in fragments":  {slices.Concat(masked(opText, []byte{'"', 0xC3}), masked(fin|opContinue, []byte{0x28})), 1007, "not-utf-8"},
		"no JSON":                  {text("hello"), 1008, "not-a-json-object"},
		"no object":                {text("[]"), 1008, "not-a-json-object"},
		"empty":                    {text(""), 1008, "not-a-json-object"},
		"too big":                  {text(`{"event":"` + strings.Repeat("x", 16<<10) + `"}`), 1009, "frame-too-big"},
		"too big, in fragments":    {slices.Concat(masked(opText, make([]byte, 10<<10)), masked(fin|opContinue, make([]byte, 10<<10))), 1009, "frame-too-big"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t)
				w := s.pipe(t)
				w.expect(welcome, isLive)
				go w.conn.Write(c.sent) // which the service need not read to its end
				w.expectEnd(c.code, c.reason)
			})
		})
	}
}

func TestAProtocolViolationIsAnsweredWithAClose(t *testing.T) {
	s := start(t)
	w := s.tcp(t)
	w.send(masked(fin|opText, make([]byte, 200<<10))) // much is unread when it closes
	w.expectEnd(1009, "frame-too-big")
}

func TestAllowedFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t).pipe(t)
		w.expect(welcome, isLive)
		w.send(masked(fin|opPing, []byte("are you there")))
		w.expect("pong are you there")
		w.send(masked(fin|opPong, []byte("unasked")))
		// A character split over fragments, and a ping between them.
		w.send(masked(opText, []byte("{\"event\":\"ping\",\"ref\":\"\xC3")))
		w.send(masked(fin|opPing, nil))
		w.expect("pong ")
		w.send(masked(opContinue, nil))
		w.send(masked(fin|opContinue, []byte("\xA9\"}")))
		w.expect(`{"event":"reply","ref":"é","data":{}}`)
	})
}

func TestCloseOfThePeerIsAnswered(t *testing.T) {
	for sent, want := range map[string]string{
		"":                 "close",
		"\x03\xE8":         "close 1000 ",
		"\x03\xE9going":    "close 1001 ",
		"\x0F\xA0app says": "close 4000 ",
	} {
		t.Run(want, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t)
				w := s.pipe(t)
				w.expect(welcome, isLive)
				w.send(masked(fin|opClose, []byte(sent)))
				w.expect(want)
				if _, _, err := w.read(); err == nil {
					t.Error("it goes on")
				}
				synctest.Wait()
				if s.hub.Count() != 0 {
					t.Error("the connection is still there")
				}
			})
		})
	}
}
