package telemetry

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// slowHandler is a handler that blocks on lines about repetitions until letGo is closed.
type slowHandler struct {
	slog.Handler
	letGo chan struct{}
}

func (h slowHandler) Handle(_ context.Context, r slog.Record) error {
	repeated := false
	r.Attrs(func(a slog.Attr) bool {
		repeated = repeated || a.Key == "repeated"
		return true
	})
	if repeated {
		<-h.letGo
	}
	return nil
}

// Closing waits for the lines that are written at the end of a period, since the output may
// be closed next.
func TestCloseWaitsForTheEndOfAPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		letGo := make(chan struct{})
		r := newRepeats(slowHandler{slog.NewTextHandler(t.Output(), nil), letGo}, slog.LevelInfo)
		log := slog.New(r)
		log.Info("again")
		log.Info("again")
		time.Sleep(repeatPeriod)
		synctest.Wait()
		closed := make(chan struct{})
		go func() {
			r.counts.close()
			r.counts.close()
			close(closed)
		}()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("closed while a line is written")
		default:
		}
		close(letGo)
		<-closed
	})
}
