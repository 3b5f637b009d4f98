package hub_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bellhop/bellhop/internal/hub"
)

// counted is a codec that counts what it encodes.
func counted(prefix string) (*hub.Codec, *atomic.Int64) {
	n := new(atomic.Int64)
	return hub.NewCodec(func(dst []byte, e *hub.Event) []byte {
		n.Add(1)
		return append(append(dst, prefix...), e.Content.(hub.Notification).Content...)
	}), n
}

// However many goroutines write an event, each protocol encodes it once.
func TestAnEventIsEncodedOncePerCodec(t *testing.T) {
	const goroutines = 30
	prefixes := []string{"first ", "second ", "third "}
	var codecs []*hub.Codec
	var counts []*atomic.Int64
	for _, prefix := range prefixes {
		c, n := counted(prefix)
		codecs, counts = append(codecs, c), append(counts, n)
	}
	e := event(1, "hello")
	var all sync.WaitGroup
	for i := range goroutines {
		all.Go(func() {
			for range 100 {
				if got, want := string(e.AppendEncoded([]byte("> "), codecs[i%3])), "> "+prefixes[i%3]+"hello"; got != want {
					t.Errorf("got %q, want %q", got, want)
					return
				}
			}
		})
	}
	all.Wait()
	for i, n := range counts {
		if n.Load() != 1 {
			t.Errorf("%sencoded it %d times", prefixes[i], n.Load())
		}
	}
}

// The encoding of an unshared event is appended to the buffer of its caller, and not kept.
func TestAnUnsharedEventIsNotKept(t *testing.T) {
	c, n := counted("")
	e := event(1, "hello")
	e.Unshared = true
	buf := make([]byte, 0, 64)
	if allocs := testing.AllocsPerRun(10, func() { buf = e.AppendEncoded(buf[:0], c) }); allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
	if n.Load() < 10 {
		t.Errorf("encoded %d times", n.Load())
	}
}

// An event that was encoded costs no allocation to write.
func TestASharedEventIsCopied(t *testing.T) {
	c, _ := counted("")
	d, _ := counted("")
	e := event(1, "hello")
	buf := e.AppendEncoded(make([]byte, 0, 64), d)
	if allocs := testing.AllocsPerRun(10, func() {
		buf = e.AppendEncoded(buf[:0], c)
		buf = e.AppendEncoded(buf[:0], d)
	}); allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// A codec that panics leaves the event to others, and to the next attempt.
func TestACodecThatPanicsBlocksNoOther(t *testing.T) {
	bad := hub.NewCodec(func([]byte, *hub.Event) []byte { panic("as the test wants it") })
	good, _ := counted("")
	e := event(1, "hello")
	for range 2 {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("it did not panic")
				}
			}()
			e.AppendEncoded(nil, bad)
		}()
	}
	if got := string(e.AppendEncoded(nil, good)); got != "hello" {
		t.Errorf("got %q", got)
	}
}
