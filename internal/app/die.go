package app

import (
	"os"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// maxLastAnswers is how long a process whose store has failed still answers. It is longer than
// lastRequests.
const maxLastAnswers = time.Second

// die ends the process when its disk cannot be trusted: the state in memory may differ from
// the stored one, which a restart reads again. Before that, every request and connection gets an
// answer: clients cannot tell a connection that ends without one from a fault of the network.
func (s *node) die(err error) {
	if s.dying.Swap(true) {
		select {} // another goroutine of Pebble is in here, and Fatalf must not return
	}
	s.logger.Error("the store has failed; the process exits, and must be started again", "error", err)
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		s.answerLast()
	}()
	select {
	case <-answered:
	case <-time.After(maxLastAnswers): // a request may wait for the store without a limit
	}
	if s.log != nil {
		s.log.Flush()
	}
	os.Exit(1) //nolint:forbidigo // Pebble's Fatalf must not return, and nothing else may go on
}

// answerLast answers all requests and ends all connections, none of which may rely on the store.
func (s *node) answerLast() {
	if !s.serving.Load() {
		return
	}
	s.beginStop()
	s.journal.Abandon()
	s.hub.EndAll(notify.CloseInternal)
	s.live.endConsole()
	_ = s.shutdown(s.listeners.servers()) // the process ends in any case
	s.sockets.Wait()
}
