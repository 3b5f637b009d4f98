package monitor

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/coder/websocket"
)

// The size of load.
const (
	listeners  = 50 // connections, each of a user of its own
	publishers = 10
)

// load publishes to many users at once, a notification of each publisher to each of them, who all receive all of
// theirs. It returns once half of it is done, so that the process is scraped under load. finish waits for the rest,
// and closes the connections.
func (p *process) load() (finish func()) {
	p.t.Helper()
	user := func(n int) string { return fmt.Sprintf("listener-%d", n) }
	sockets := make([]*websocket.Conn, listeners)
	var all sync.WaitGroup
	each := func(n int, do func(*process, int)) {
		for i := range n {
			of := *p // with a cursor of its own
			all.Go(func() { do(&of, i) })
		}
	}
	each(listeners, func(of *process, i int) { sockets[i] = of.connect(user(i), "") })
	all.Wait()

	var published, received atomic.Int64
	half := make(chan struct{})
	each(listeners, func(of *process, i int) {
		for range publishers {
			of.readUntil(sockets[i], "notification")
			received.Add(1)
		}
	})
	each(publishers, func(of *process, _ int) {
		for i := range listeners {
			if status := of.publish(fmt.Sprintf(`{"users":[%q]}`, user(i)), ""); status != http.StatusAccepted {
				p.t.Errorf("a publish was answered %d", status)
			}
			if published.Add(1) == listeners*publishers/2 {
				close(half)
			}
		}
	})
	<-half
	return func() {
		all.Wait()
		for _, ws := range sockets {
			if ws != nil {
				_ = ws.Close(websocket.StatusNormalClosure, "")
			}
		}
		if received.Load() != listeners*publishers && p.t.Context().Err() == nil {
			p.t.Errorf("%d of %d notifications were received", received.Load(), listeners*publishers)
		}
	}
}
