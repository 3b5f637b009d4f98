package hub

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// Tokens are renewed while their connections are counted. The race detector is the
// judge.
func TestRenewingWhileCounting(t *testing.T) {
	const many = 200
	h := New(Options{PerUser: many, QueueLen: 1 << 20, Count: func(notify.Reader, notify.Sequence) (notify.Counts, bool) {
		return notify.Counts{}, true
	}})
	var conns []*Conn
	for i := range many { // one user's are in one shard
		c := h.NewConn(notify.Principal{User: "ada"}, fmt.Sprint(i), nil, discard{})
		if err := h.Register(c); err != nil {
			t.Fatal(err)
		}
		h.GoLive(c, 0)
		conns = append(conns, c)
	}
	stop := make(chan struct{})
	var renewing sync.WaitGroup
	renewing.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				conns[i%many].Renew(notify.Principal{User: notify.UserID(strings.Clone("ada"))})
			}
		}
	})
	for range 100 {
		h.Recount(notify.Readers{All: true})
		conns[0].shard.sendCounts(0, h.since()+time.Hour)
	}
	close(stop)
	renewing.Wait()
	h.Drain(context.Background(), 0)
}
