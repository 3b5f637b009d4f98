package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"

	"github.com/bellhop/bellhop/internal/httpapi"
	"github.com/bellhop/bellhop/internal/nowait"
	"github.com/bellhop/bellhop/internal/webui"
)

// listeners are the two listeners of a node and their servers. A node of a cluster listens
// before it can serve: until then, its handlers answer with the reason.
type listeners struct {
	public, admin             net.Listener
	publicServer, adminServer *http.Server
	publicHandler             replaceableHandler
	adminHandler              replaceableHandler
}

// replaceableHandler is a handler that can be replaced while it is in use.
type replaceableHandler struct{ now atomic.Pointer[http.Handler] }

func (h *replaceableHandler) set(to http.Handler) { h.now.Store(&to) }

// ServeHTTP calls the handler that was set last.
func (h *replaceableHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	(*h.now.Load()).ServeHTTP(w, r)
}

// servers returns the servers, for a shutdown.
func (l *listeners) servers() []*http.Server { return []*http.Server{l.publicServer, l.adminServer} }

// listen opens both listeners, the public one with TLS if there is a certificate.
func (s *node) listen(ctx context.Context) error {
	l := &s.listeners
	var config net.ListenConfig
	public := net.ListenConfig{Control: endVanished}
	var err error
	if l.public, err = public.Listen(ctx, "tcp", s.cfg.Listen); err != nil {
		return fmt.Errorf("open the public listener: %w", err)
	}
	l.public = nowait.Listen(l.public)
	if l.admin, err = config.Listen(ctx, "tcp", s.cfg.AdminListen); err != nil {
		return errors.Join(fmt.Errorf("open the admin listener: %w", err), l.public.Close())
	}
	if s.certificate != nil {
		l.public = s.certificate.listen(l.public)
	}
	return nil
}

// startServers serves both listeners with the handlers that are set.
func (s *node) startServers() {
	l := &s.listeners
	l.publicServer = httpapi.NewServer(s.parting(&l.publicHandler), s.cfg.HeadBytes, s.logger)
	l.publicServer.ConnState = s.conns.state
	l.adminServer = httpapi.NewAdminServer(&l.adminHandler, s.cfg.HeadBytes, s.logger)
	s.start(l.public, l.publicServer)
	s.start(l.admin, l.adminServer)
	s.logger.Info("listening", "public", l.public.Addr().String(), "admin", l.admin.Addr().String(),
		"max_connections", s.maxConnections()) // 0: no limit
}

// start runs a server in a goroutine, which s.running waits for.
func (s *node) start(l net.Listener, server *http.Server) {
	s.running.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- fmt.Errorf("serve %s: %w", l.Addr(), err)
		}
	})
}

// openSockets returns the number of open WebSockets.
func (s *node) openSockets() int {
	if !s.serving.Load() {
		return 0
	}
	return s.hub.Count() - s.streams.Count()
}

// wait listens, and answers requests with the reason why this node cannot serve yet, apart from
// those that operators use to find it.
func (s *node) wait(ctx context.Context) error {
	if err := s.listen(ctx); err != nil {
		return err
	}
	waiting := httpapi.Waiting(s.cfg.BasePath, s.ready, s.logger)
	s.listeners.publicHandler.set(waiting)
	admin := s.adminOptions()
	admin.Console = httpapi.ConsoleOptions{Access: s.cfg.Console, Page: webui.Console()}
	s.listeners.adminHandler.set(httpapi.WaitingAdmin(admin, s.ready))
	s.startServers()
	return nil
}

// stopListening closes the listeners, and their servers if they run, of a node that cannot
// serve.
func (s *node) stopListening() error {
	l := &s.listeners
	switch {
	case l.publicServer != nil:
		err := s.shutdown(l.servers())
		s.running.Wait()
		return err
	case l.public != nil:
		return errors.Join(l.public.Close(), l.admin.Close())
	}
	return nil
}
