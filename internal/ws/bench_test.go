package ws_test

import (
	"net"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop/bellhop/internal/hub"
)

// sink is a peer that takes all and says nothing.
type sink struct {
	net.Conn // of a pipe, for what is not below

	wrote chan int
	count *atomic.Int64
}

func (s sink) Write(p []byte) (int, error) {
	s.count.Add(1)
	s.wrote <- len(p)
	return len(p), nil
}

func (sink) SetWriteDeadline(time.Time) error { return nil }

// One frame to one connection, from the offer to the write. What is allocated
// is the start of a writer.
func BenchmarkDeliver(b *testing.B) {
	h := hub.New(hub.Options{})
	s := newService(h)
	here, there := net.Pipe()
	defer here.Close()
	peer := sink{there, make(chan int, 4), new(atomic.Int64)}
	go s.as(hijackable{httptest.NewRecorder(), peer}, upgradeRequest("/ws"))
	<-peer.wrote // handshake, welcome, live
	f := note(2, `{"id":"`+strings.Repeat("x", 250)+`"}`)
	b.ReportAllocs()
	for b.Loop() {
		f.Sequence++ // no other goroutine has it
		s.hub.Deliver(broadcast, time.Time{}, f)
		<-peer.wrote
	}
	b.StopTimer()
	go func() {
		for range peer.wrote { // the farewell
		}
	}()
	h.Drain(b.Context(), 0)
	s.Wait()
	close(peer.wrote)
}
