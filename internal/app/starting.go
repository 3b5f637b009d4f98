package app

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/bellhop/bellhop/internal/httpapi"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/problem"
)

// lentListener is a listener that one server uses after another. Close ends Accept and leaves
// the listener open.
type lentListener struct{ *net.TCPListener }

func (l lentListener) Close() error { return l.SetDeadline(time.Unix(1, 0)) }

// answerStarting answers requests on l while the node waits for its store, which may take long
// in a cluster: the process is alive, not ready, and says why. When stop returns, l is as it
// was. wrap adds what the later server has, such as TLS.
func answerStarting(l *net.TCPListener, wrap func(net.Listener) net.Listener, h http.Handler, headBytes int, logger *slog.Logger) (stop func() error) {
	server := httpapi.NewServer(h, headBytes, logger)
	var running sync.WaitGroup
	running.Go(func() {
		if err := server.Serve(wrap(lentListener{l})); !errors.Is(err, http.ErrServerClosed) {
			logger.Error("requests cannot be answered during the start", "address", l.Addr().String(), "error", err)
		}
	})
	return func() error {
		err := server.Close()
		running.Wait()
		return errors.Join(err, l.SetDeadline(time.Time{}))
	}
}

// startingHandler answers /livez with 200, and everything else with 503 and the reason why this
// node is not ready.
func startingHandler(basePath string, reason func() error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if r.URL.Path == basePath+"/livez" {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"status":"ok"}`) // the client may have left
			return
		}
		err := reason()
		if err == nil || problem.Of(err).Status != http.StatusServiceUnavailable {
			err = notify.Errorf(notify.ErrUnavailable, "this node is starting")
		}
		problem.Respond(w, r, err)
	})
}
