package ws_test

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
)

var broadcast = notify.Readers{All: true}

func note(seq int, data string) *hub.Event {
	return &hub.Event{Sequence: notify.Sequence(seq), Content: hub.Notification{Notification: &notify.Notification{Content: []byte(data)}}}
}

// drainPings reads the pings that have come, without waiting.
func drainPings(w *rawClient) {
	w.t.Helper()
	for {
		synctest.Wait()
		if err := w.conn.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
			w.t.Fatal(err)
		}
		op, payload, err := w.read()
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			if err := w.conn.SetReadDeadline(time.Time{}); err != nil {
				w.t.Fatal(err)
			}
			return
		case err != nil || op != opPing:
			w.t.Fatalf("%s, %v instead of a ping", describe(op, payload), err)
		}
	}
}

func TestADrainSendsTheReconnectWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		w := s.pipe(t)
		w.expect(welcome, isLive)
		done := make(chan struct{})
		go func() { s.hub.Drain(t.Context(), 20*time.Second); s.Wait(); close(done) }()
		w.expect(`{"event":"close","data":{"code":1012,"reason":"restart window=20","reconnect":true,"after":20}}`)
		w.expect("close 1012 restart window=20")
		w.send(masked(fin|opClose, []byte{3, 0xF4}))
		if _, _, err := w.read(); err == nil {
			t.Error("it goes on")
		}
		<-done
	})
}

func TestAPeerThatDoesNotAnswerACloseIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		w := s.pipe(t)
		w.expect(welcome, isLive)
		began := time.Now()
		go func() { s.hub.Drain(t.Context(), 0) }()
		w.expect(`{"event":"close","data":{"code":1012,"reason":"restart window=0","reconnect":true,"after":0}}`)
		w.expect("close 1012 restart window=0")
		s.Wait()
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		w := s.pipe(t)
		w.expect(welcome, isLive)
		began := time.Now()
		for {
			op, payload, err := w.read()
			if err != nil {
				break
			}
			if op != opPing {
				t.Fatal(describe(op, payload)) // a close frame, for one
			}
		}
		if took := time.Since(began); took < time.Minute || took > 61*time.Second {
			t.Errorf("dropped after %v", took)
		}
	})
}

func TestPongsKeepAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		w := s.pipe(t)
		w.expect(welcome, isLive)
		for began := time.Now(); time.Since(began) < 10*time.Minute; {
			w.expect("ping ")
			w.send(masked(fin|opPong, nil))
		}
	})
}

func TestAnExpiredTokenClosesWith4401(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		conn := make(chan *hub.Conn, 1)
		s.rules.past = func(c *hub.Conn) error { conn <- c; return nil }
		w := s.pipe(t)
		w.expect(welcome, isLive)
		(<-conn).End(notify.CloseExpired)
		w.expectEnd(4401, "token-expired")
	})
}

// Over TCP, since a lock that is waited for stops the time of a bubble.
func TestStalledReaderSeesOnlyTheEnd(t *testing.T) {
	s := start(t)
	w := s.tcp(t)
	w.expect(welcome, isLive)
	data := `"` + strings.Repeat("x", 60_000) + `"`
	s.hub.Deliver(broadcast, time.Time{}, note(2, data))
	if _, err := w.r.Peek(1); err != nil { // it is being written, and is more than buffers hold
		t.Fatal(err)
	}
	for seq := 3; s.hub.Count() > 0; seq++ {
		s.hub.Deliver(broadcast, time.Time{}, note(seq, data))
	}
	s.hub.Drain(t.Context(), 0)
	s.Wait()
	for {
		op, payload, err := w.read()
		if err != nil {
			break
		}
		if op != opText || strings.HasPrefix(string(payload), `{"event":"close"`) {
			t.Fatal(describe(op, payload))
		}
	}
}

// A client whose queue was full, but that reads, receives the reason.
func TestASlowReaderIsClosedWith4408(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		w := s.pipe(t)
		w.expect(welcome, isLive)
		for seq := 2; seq < 300; seq++ {
			s.hub.Deliver(broadcast, time.Time{}, note(seq, `{"id":"x"}`))
		}
		w.expectEnd(4408, "too-slow")
	})
}

func TestFailedJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		s.rules.joinFails = true
		s.pipe(t).expectEnd(1011, "internal")
		synctest.Wait()
		if s.hub.Count() != 0 {
			t.Error("it is still there")
		}
	})
}

func TestEndCancelsTheJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		canceled := make(chan struct{})
		s.rules.joined = func(ctx context.Context) { <-ctx.Done(); close(canceled) }
		w := s.pipe(t)
		w.expect(welcome, isLive)
		w.conn.Close()
		<-canceled
		s.Wait()
	})
}

// Frames of every form that a length can have.
func TestLengths(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		w := s.pipe(t)
		w.expect(welcome, isLive)
		const around = len(`{"event":"notification","cursor":"c2","data":}`)
		for i, size := range []int{around + 2, 125, 126, 127, 1000, 65535} {
			data := `"` + strings.Repeat("x", size-around-2) + `"`
			s.hub.Deliver(broadcast, time.Time{}, note(0, `"between"`))
			w.expect(`{"event":"notification","data":"between"}`)
			s.hub.Deliver(broadcast, time.Time{}, note(2+i, data))
			w.expect(`{"event":"notification","cursor":"c` + strconv.Itoa(2+i) + `","data":` + data + `}`)
		}
		s.hub.Deliver(broadcast, time.Time{}, note(9, strings.Repeat(" ", 65536)))
		w.expectEnd(1011, "internal")
	})
}
