package hub_test

import (
	"slices"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/bellhop/bellhop/internal/hub"
)

// fountain is a peer to which one more event is offered with each write, a hundred times.
type fountain struct {
	*peer
	conn  *hub.Conn
	first chan struct{} // closed when Deliver has returned
}

func (f *fountain) Write(events []*hub.Event, wait bool) (bool, error) {
	done, err := f.peer.Write(events, wait)
	if n := len(f.received()); n < 100 {
		f.conn.Offer(ephemeral(strconv.Itoa(n)))
	}
	if len(f.received()) == 3 {
		<-f.first // this write waits: Deliver must not be the writer
	}
	return done, err
}

func TestDeliverWritesToFewConnectionsItself(t *testing.T) {
	h := hub.New(hub.Options{})
	_, ada := connect(t, h, user("ada"))
	deliver(h, 1, "ada")
	ada.want(t, "1") // at once
	h.Drain(t.Context(), 0)
}

func TestDeliverLeavesOtherWorkToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		f := &fountain{peer: newPeer(), first: make(chan struct{})}
		f.conn = h.NewConn(user("ada"), "c", nil, f)
		if err := h.Register(f.conn); err != nil {
			t.Fatal(err)
		}
		h.GoLive(f.conn, 0, nil)

		deliver(h, 1, "ada")
		close(f.first)
		synctest.Wait()
		received := f.received()
		if len(received) != 100 || received[0] != "1" || !slices.Equal(received[1:3], []string{"1", "2"}) {
			t.Errorf("received %q", received)
		}
		h.Drain(t.Context(), 0)
	})
}

// Connections beyond those that Deliver writes to itself receive the events, too.
func TestDeliverToMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{PerUser: 100})
		var peers []*peer
		for range 100 {
			_, p := connect(t, h, user("ada"))
			peers = append(peers, p)
		}
		for seq := 1; seq <= 3; seq++ {
			deliver(h, seq, "ada")
		}
		synctest.Wait()
		for _, p := range peers {
			p.want(t, "1", "2", "3")
		}
		h.Drain(t.Context(), 0)
	})
}
