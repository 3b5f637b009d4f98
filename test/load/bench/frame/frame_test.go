package frame_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/bellhop/bellhop/test/load/bench/frame"
)

func TestNextReadsAppendedFrames(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 127, 65_535, frame.MaxPayload} {
		want := bytes.Repeat([]byte("x"), size)
		data := frame.Append(nil, frame.Text, want)
		data = append(data, "next"...)

		f, rest, err := frame.Next(data)
		if err != nil || f.Op != frame.Text || !bytes.Equal(f.Payload, want) || string(rest) != "next" {
			t.Errorf("%d bytes: op %#x, %d bytes, rest %q, %v", size, f.Op, len(f.Payload), rest, err)
		}
	}
}

func TestIncompleteFramesAreShort(t *testing.T) {
	for _, size := range []int{0, 5, 300, 65_536} {
		whole := frame.Append(nil, frame.Text, make([]byte, size))
		for _, n := range []int{0, 1, 2, 3, 5, 9, len(whole) - 1} {
			if n >= len(whole) {
				continue
			}
			_, rest, err := frame.Next(whole[:n])
			if !errors.Is(err, frame.ErrShort) || len(rest) != n {
				t.Errorf("%d of %d bytes: %d left, %v", n, len(whole), len(rest), err)
			}
		}
	}
}

func TestNextRefusesInvalidFrames(t *testing.T) {
	for name, data := range map[string][]byte{
		"masked":         frame.AppendMasked(nil, frame.Text, []byte("hello"), [4]byte{1, 2, 3, 4}),
		"reserved bit":   {0xC1, 0},
		"fragment":       {0x01, 0},
		"continuation":   {0x80, 0},
		"binary":         {0x82, 0},
		"unknown opcode": {0x8B, 0},
		"large ping":     frame.Append(nil, frame.Ping, make([]byte, 126)),
		"too large":      frame.Append(nil, frame.Text, make([]byte, frame.MaxPayload+1)),
		"endless":        {0x81, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	} {
		if _, _, err := frame.Next(data); err == nil || errors.Is(err, frame.ErrShort) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMasks(t *testing.T) {
	got := frame.AppendMasked(nil, frame.Pong, []byte("Hello"), [4]byte{0x37, 0xfa, 0x21, 0x3d})
	want := []byte{0x8A, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58} // RFC 6455, 5.7
	if !bytes.Equal(got, want) {
		t.Errorf("got % x, want % x", got, want)
	}
}

func FuzzNext(f *testing.F) {
	f.Add(frame.Append(nil, frame.Text, []byte("hello")))
	f.Add([]byte{0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		got, rest, err := frame.Next(data)
		if err != nil {
			return
		}
		if again := frame.Append(nil, got.Op, got.Payload); len(again) > len(data)-len(rest) {
			t.Errorf("a frame of %d bytes was read from %d", len(again), len(data)-len(rest))
		}
	})
}
