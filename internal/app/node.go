// Package app runs the service in this process: Run opens its parts in the order
// of their layers, serves until it is asked to stop, and closes them in reverse.
// It connects the parts; each part decides what it does.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/httpapi"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/nowait"
	"github.com/bellhop/bellhop/internal/protocol/bellhop"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/sse"
	"github.com/bellhop/bellhop/internal/store"
	"github.com/bellhop/bellhop/internal/telemetry"
	"github.com/bellhop/bellhop/internal/webui"
	"github.com/bellhop/bellhop/internal/ws"
)

// pingEvery is the interval of pings on a connection. Clients learn it from welcome.
const pingEvery = 25 * time.Second

// Options are options of Run besides the settings. Each may be left out.
type Options struct {
	Log    *telemetry.Log          // its metrics are shown, too
	Logger *slog.Logger            // used if there is no Log
	Pages  map[string]http.Handler // served in addition to the API, by path

	// Origins returns origins to allow in addition to those of the settings, for an address
	// of the public listener; nil: none.
	Origins func(public net.Addr) []string

	// Hangups makes the service read its files again each time that it receives a signal.
	Hangups <-chan os.Signal

	// Listening is called once, when the service answers requests.
	Listening func(public, admin net.Addr)
}

// runnable is a journal and the goroutine that commits its entries.
type runnable interface {
	notify.Journal
	Run(ctx context.Context) error
}

// node is a running service and its parts.
type node struct {
	cfg     *config.Config
	log     *telemetry.Log // nil: the caller has a log of its own
	logger  *slog.Logger
	metrics *telemetry.Metrics

	origins  auth.Origins
	verifier *auth.Verifier

	certificate *certificate // nil: no TLS
	memory      memory

	store   *store.Store
	journal runnable
	hub     *hub.Hub
	cursors *cursor.Keyring
	service *service.Service
	sockets *ws.Handler

	requests *limit.Principals // by requests and by commands on sockets

	stopping atomic.Bool // /readyz answers 503

	commits sync.WaitGroup // the journal's goroutine, which outlives the others
	running sync.WaitGroup
	failed  chan error // errors of goroutines that ended before they should
}

// Run runs the service until ctx ends. Then it closes every connection, finishes the requests
// that have begun, and returns nil. An error means that the service could not start, or could
// not go on.
func Run(ctx context.Context, cfg *config.Config, o Options) error {
	switch {
	case o.Log != nil:
		o.Logger = o.Log.Logger
	case o.Logger == nil:
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &node{
		cfg:     cfg,
		log:     o.Log,
		logger:  o.Logger,
		metrics: telemetry.New(telemetry.ReadBuild()),
		failed:  make(chan error, 3), // as many as there are senders: the journal and two servers
	}
	s.memory = findMemory(s.logger)
	if err := s.openAccess(ctx); err != nil {
		return s.notStarted(ctx, err)
	}
	defer s.verifier.Close()
	stop, err := s.openState(ctx)
	if err != nil {
		return s.notStarted(ctx, err)
	}
	err = errors.Join(s.serve(ctx, o), stop())
	close(s.failed) // all senders have ended
	for late := range s.failed {
		err = errors.Join(err, late)
	}
	return err
}

// serve answers requests until ctx ends or a part fails. Then it ends the connections, the
// requests and the upkeep, in this order.
func (s *node) serve(ctx context.Context, o Options) error {
	public, admin, err := s.listen(ctx)
	if err != nil {
		return s.notStarted(ctx, err)
	}
	if err := s.allowOrigins(public.Addr(), o); err != nil {
		return errors.Join(err, public.Close(), admin.Close())
	}
	upkeep, stopUpkeep := context.WithCancel(context.WithoutCancel(ctx))
	s.running.Go(func() { s.service.Run(upkeep) })
	s.running.Go(func() { s.hub.Run(upkeep) })
	s.running.Go(func() { s.followHangups(upkeep, o.Hangups) })
	if s.certificate != nil {
		s.running.Go(func() { s.certificate.Run(upkeep) })
	}

	v1 := bellhop.New(bellhop.Options{
		Service:  s.service,
		Cursors:  s.cursors,
		Verifier: s.verifier,
		Requests: s.requests,
		Depth:    s.cfg.JSONDepth,
		Metrics:  s.metrics,
		Logger:   s.logger,
	})
	s.sockets = ws.New(ws.Options{
		Protocol:    v1,
		Service:     s.service,
		Hub:         s.hub,
		CheckOrigin: s.checkOrigin,
		Commands:    s.cfg.Commands,
		Logger:      s.logger,
	})
	streams := sse.New(sse.Options{Protocol: bellhop.Stream{Protocol: v1}, Service: s.service, Hub: s.hub})
	server := httpapi.NewServer(s.publicHandler(streams, o.Pages), s.cfg.HeadBytes, s.logger)
	bound := &httpConns{
		max: s.maxNetworkConnections(), proxies: s.cfg.TrustedProxies, logger: s.logger,
		others: func() int { return s.hub.Count() - streams.Count() },
	}
	server.ConnState = bound.state
	servers := []*http.Server{
		s.start(public, server),
		s.start(admin, httpapi.NewAdminServer(s.adminHandler(), s.cfg.HeadBytes, s.logger)),
	}
	s.logger.Info("listening", "public", public.Addr().String(), "admin", admin.Addr().String())
	if o.Listening != nil {
		o.Listening(public.Addr(), admin.Addr())
	}

	select {
	case <-ctx.Done():
		err = s.announceStop()
	case err = <-s.failed: // Run returns it
	}
	s.stopping.Store(true)
	s.hub.Drain(context.Background(), s.cfg.DrainWindow)
	var sockets sync.WaitGroup
	sockets.Go(s.sockets.Wait) // at the same time as the requests, since both may wait for the store
	err = errors.Join(err, s.shutdown(servers))
	sockets.Wait()
	stopUpkeep()
	s.running.Wait()
	return err
}

func (s *node) publicHandler(streams http.Handler, pages map[string]http.Handler) http.Handler {
	return httpapi.New(httpapi.Options{
		Service:        s.service,
		Verifier:       s.verifier,
		Origins:        s.origins,
		Admitter:       s.hub,
		WebSocket:      s.sockets,
		Events:         streams,
		Tickets:        perSecond("tickets", maxTickets),
		Requests:       s.requests,
		Handshakes:     perSecond("handshakes", s.cfg.HandshakesPerAddress),
		Depth:          s.cfg.JSONDepth,
		BodyBytes:      s.memory.bodies(),
		Pages:          withOurs(pages),
		BasePath:       s.cfg.BasePath,
		TrustedProxies: s.cfg.TrustedProxies,
		Alive:          s.store.Corrupt,
		Ready:          s.ready,
		Metrics:        s.metrics,
		Logger:         s.logger,
	})
}

func (s *node) adminHandler() http.Handler {
	return httpapi.Admin(httpapi.AdminOptions{
		Metrics:  s.metrics.Handler(),
		Profiles: s.cfg.Profiles == "on",
		Listen:   s.cfg.AdminListen,
		Hosts:    s.cfg.AdminHosts,
		Logger:   s.logger,
	})
}

// withOurs adds the browser client and the documents, which every service has, to pages.
func withOurs(pages map[string]http.Handler) map[string]http.Handler {
	client, docs := webui.Client(), webui.Docs()
	all := map[string]http.Handler{
		"/client.js": client, "/client.d.ts": client, "/inbox.js": client, "/inbox.d.ts": client,
		"/docs": docs, "/docs/*": docs,
	}
	maps.Copy(all, pages)
	return all
}

// listen opens both listeners, the public one with TLS if there is a
// certificate.
func (s *node) listen(ctx context.Context) (public, admin net.Listener, err error) {
	var l net.ListenConfig
	if public, err = l.Listen(ctx, "tcp", s.cfg.Listen); err != nil {
		return nil, nil, fmt.Errorf("listen: %w", err)
	}
	public = nowait.Listen(public)
	if admin, err = l.Listen(ctx, "tcp", s.cfg.AdminListen); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("listen for operators: %w", err), public.Close())
	}
	if s.certificate != nil {
		public = s.certificate.listen(public)
	}
	return public, admin, nil
}

// start runs a server in a goroutine, which s.running waits for.
func (s *node) start(l net.Listener, server *http.Server) *http.Server {
	s.running.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- fmt.Errorf("serve %s: %w", l.Addr(), err)
		}
	})
	return server
}
