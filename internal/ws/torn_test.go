package ws_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/bellhop/bellhop/internal/hub"
)

// Replies come while a long history is written, to a peer that does not take
// all at once: no frame lands inside another.
func TestRepliesWhileCatchingUp(t *testing.T) {
	h := hub.New(hub.Options{QueueLen: 1 << 20, QueueBytes: 1 << 30})
	s := newService(h)
	const frames = 2000
	history := note(2, `"`+strings.Repeat("x", 30_000)+`"`)
	var replies sync.WaitGroup
	s.rules.past = func(c *hub.Conn) error {
		written := make(chan struct{})
		defer close(written)
		replies.Go(func() {
			for range written {
				c.Offer(&hub.Event{Content: hub.Reply{Ref: "1", Result: hub.Pong{}}})
			}
		})
		for range frames {
			written <- struct{}{}
			if err := c.Write(history); err != nil {
				return err
			}
		}
		return nil
	}
	w := s.tcp(t)
	received := map[string]int{}
	for received["live"] == 0 {
		op, payload, err := w.read()
		if err != nil {
			t.Fatalf("after %v: %v", received, err)
		}
		var f struct{ Event string }
		if op != opText || json.Unmarshal(payload, &f) != nil {
			t.Fatalf("after %v: opcode %d, %d bytes: %.60q", received, op, len(payload), payload)
		}
		received[f.Event]++
	}
	if received["notification"] != frames {
		t.Errorf("received %v", received)
	}
	w.conn.Close()
	replies.Wait()
	h.Drain(t.Context(), 0)
	s.Wait()
}
