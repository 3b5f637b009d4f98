package mark_test

import (
	"testing"

	"github.com/bellhop/bellhop/test/load/bench/mark"
)

func TestFindReadsAppendedMarks(t *testing.T) {
	for _, want := range []mark.Mark{
		{},
		{Lane: 3, User: 9_999, Sequence: 7, Sent: 1_234_567_890_123},
		{Lane: 0xffff, User: mark.Everyone, Sequence: 0xffffffff, Sent: 1<<63 - 1},
	} {
		text := append(mark.Append([]byte(`{"event":"notification","data":{"mark":"`), want), `"}}`...)
		got, ok := mark.Find(text)
		if !ok || got != want {
			t.Errorf("Find(%s) = %+v, %v; want %+v", text, got, ok, want)
		}
	}
}

func TestFindReportsMissingMarks(t *testing.T) {
	for _, text := range []string{
		"",
		`{"event":"live"}`,
		"~",
		"~0003.0000270f.00000007.0000011f71fb04c",   // torn
		"~0003.0000270f.00000007.0000011f71fb04cbX", // no second fence
		"~000g.0000270f.00000007.0000011f71fb04cb~", // no hexadecimal
	} {
		if m, ok := mark.Find([]byte(text)); ok {
			t.Errorf("Find(%q) = %+v, want none", text, m)
		}
	}
}
