package cli

import (
	"context"
	"testing"
	"testing/synctest"
)

// A function that runs at the end of a context is over when its stop returns, and does not run after that.
func TestStopWaitsForWhatRunsAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		letGo, stopped := make(chan struct{}), make(chan struct{})
		stop := onEnd(ctx, func() { <-letGo })
		never := onEnd(ctx, func() { t.Error("called after stop") })
		never()
		end()
		go func() {
			stop()
			close(stopped)
		}()
		synctest.Wait()
		select {
		case <-stopped:
			t.Error("stop has returned before the function")
		default:
		}
		close(letGo)
		<-stopped
	})
}
