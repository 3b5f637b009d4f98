// Package app runs the service in this process: Run opens its parts in the order
// of their layers, serves until it is asked to stop, and closes them in reverse.
// It connects the parts; each part decides what it does.
package app

import (
	"context"
	"errors"
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
	"github.com/bellhop/bellhop/internal/protocol/bellhop"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/sse"
	"github.com/bellhop/bellhop/internal/store"
	"github.com/bellhop/bellhop/internal/telemetry"
	"github.com/bellhop/bellhop/internal/watch"
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

	// Sources are those that the settings were loaded from. Their file is followed if it is a
	// regular one. nil: it is not read again.
	Sources *config.Sources

	// Listening is called when the service answers requests, and again after a node of a
	// cluster has started again to replace its store.
	Listening func(public, admin net.Addr)
}

// runnable is a journal and the goroutine that commits its entries.
type runnable interface {
	notify.Journal
	Run(ctx context.Context) error
	Abandon()
}

// node is a running service and its parts.
type node struct {
	cfg     *config.Config // those at the start: see live
	live    *live
	log     *telemetry.Log // nil: the caller has a log of its own
	logger  *slog.Logger
	metrics *telemetry.Metrics
	tracer  tracer // nil: nothing is traced

	origins  origins
	verifier *auth.Verifier

	certificate *certificate // nil: no TLS
	memory      memory

	listeners listeners

	store   *store.Store
	journal runnable
	cluster *membership // nil: this node is alone
	hub     *hub.Hub
	cursors *cursor.Keyring
	service *service.Service
	sockets *ws.Handler
	streams *sse.Handler

	backups  *backups
	limits   *limits
	conns    *httpConns
	settings *watch.Source[*config.Config] // the file of settings; nil: it is not followed

	serving atomic.Bool // all parts are open, and requests are answered
	dying   atomic.Bool // the store has failed, and the process ends

	stoppingSince atomic.Pointer[time.Time] // from then on /readyz answers 503; nil: it does not stop

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
	settings := &live{}
	settings.now.Store(cfg)
	settings.followAudits(&o)
	if o.Log != nil {
		settings.level = newLogLevel(o.Log)
		defer settings.level.start()()
	}
	for {
		err := runOnce(ctx, settings, o)
		again := errors.Is(err, errStartAgain)
		switch {
		case again && ctx.Err() == nil:
			o.Logger.Warn("starting again within the process", "reason", err)
		case again:
			return nil
		default:
			return err
		}
	}
}

// runOnce runs the service with the store that there is.
func runOnce(ctx context.Context, settings *live, o Options) error {
	s := &node{
		cfg:     settings.now.Load(),
		live:    settings,
		log:     o.Log,
		logger:  o.Logger,
		metrics: telemetry.New(telemetry.ReadBuild()),
		failed:  make(chan error, 4), // as many as there are senders: the journal, two servers and the watch of the store
	}
	s.memory = findMemory(s.logger)
	if err := s.openAccess(ctx); err != nil {
		return s.notStarted(ctx, err)
	}
	defer s.verifier.Close()
	if err := s.openTracer(ctx); err != nil {
		return err
	}
	defer s.closeTracer()
	s.cursors = cursor.NewKeyring()
	s.limits = newLimits(s.cfg)
	s.conns = &httpConns{
		max: s.maxNetworkConnections(s.cfg), proxies: s.cfg.TrustedProxies, logger: s.logger, others: s.openSockets,
	}
	s.hub = s.newHub()
	s.observeEarly()
	if s.cfg.NATSURL != nil {
		if err := s.connectCluster(); err != nil {
			return s.notStarted(ctx, err)
		}
		if err := s.wait(ctx); err != nil {
			s.cluster.close()
			return s.notStarted(ctx, err)
		}
	}
	stop, err := s.openState(ctx)
	if err != nil {
		return s.notStarted(ctx, errors.Join(err, s.stopListening()))
	}
	err = errors.Join(s.serve(ctx, o), stop())
	close(s.failed) // all senders have ended
	for late := range s.failed {
		err = errors.Join(err, late)
	}
	if err == nil {
		s.logger.Info("stopped")
	}
	return err
}

// serve answers requests until ctx ends or a part fails. Then it ends the connections, the
// requests and the upkeep, in this order.
func (s *node) serve(ctx context.Context, o Options) error {
	if s.cluster == nil {
		if err := s.listen(ctx); err != nil {
			return s.notStarted(ctx, err)
		}
	}
	if err := s.allowOrigins(s.listeners.public.Addr(), o); err != nil {
		return errors.Join(err, s.stopListening())
	}
	if s.log != nil {
		s.log.SetUserKey(s.cursors.Derive("users in log lines"))
	}
	upkeep, stopUpkeep := context.WithCancel(context.WithoutCancel(ctx))
	s.startUpkeep(upkeep)
	s.startServing(ctx, upkeep, o)
	var err error
	select {
	case <-ctx.Done():
		err = s.announceStop()
	case err = <-s.failed: // Run returns it
	}
	err = errors.Join(err, s.stopServing())
	stopUpkeep()
	s.running.Wait()
	return err
}

// startServing opens the API, and answers requests from then on. Settings are followed if ctx allows
// that, and all that is started here runs until upkeep ends.
func (s *node) startServing(ctx, upkeep context.Context, o Options) {
	s.backups = s.newBackups()
	s.metrics.Observe(s.backups.samples)
	s.openTransports()
	if s.followSettings(ctx, o) {
		s.running.Go(func() { s.settings.Run(upkeep) })
	}
	s.running.Go(func() { s.followHangups(upkeep, o.Hangups) })
	api := s.newAPI(o.Pages)
	s.startConsole(upkeep)
	l := &s.listeners
	l.publicHandler.set(api.Public())
	l.adminHandler.set(s.adminHandler(api))
	s.serving.Store(true)
	if s.cluster == nil {
		s.startServers()
	}
	if o.Listening != nil {
		o.Listening(l.public.Addr(), l.admin.Addr())
	}
}

// stopServing closes all connections, and waits for the requests and the sockets.
func (s *node) stopServing() error {
	s.endLongRequests()
	s.hub.Drain(context.Background(), s.cfg.DrainWindow)
	s.live.endConsole() // its streams would hold the shutdown
	var sockets sync.WaitGroup
	defer sockets.Wait()
	sockets.Go(s.sockets.Wait) // at the same time as the requests, since both may wait for the store
	return s.shutdown(s.listeners.servers())
}

// startUpkeep starts the parts that run until ctx ends, apart from those that serve requests.
func (s *node) startUpkeep(ctx context.Context) {
	s.running.Go(func() { s.service.Run(ctx) })
	s.running.Go(func() { s.hub.Run(ctx) })
	if s.certificate != nil {
		s.running.Go(func() { s.certificate.Run(ctx) })
	}
	if s.cluster != nil {
		s.cluster.writer = s.cluster.newCheckpointer()
		s.running.Go(func() { s.cluster.run(ctx) })
	}
}

// openTransports makes the protocol, and the transports that speak it.
func (s *node) openTransports() {
	v1 := bellhop.New(bellhop.Options{
		Service:  s.service,
		Cursors:  s.cursors,
		Verifier: s.verifier,
		Requests: s.limits.requests,
		Depth:    s.jsonDepth,
		Metrics:  s.metrics,
		Logger:   s.logger,
	})
	s.sockets = ws.New(ws.Options{
		Protocol:    v1,
		Service:     s.service,
		Hub:         s.hub,
		CheckOrigin: s.checkOrigin,
		Commands:    s.cfg.Commands,
		Metrics:     s.metrics,
		Logger:      s.logger,
	})
	s.streams = sse.New(sse.Options{Protocol: bellhop.Stream{Protocol: v1}, Service: s.service, Hub: s.hub})
}

func (s *node) newAPI(pages map[string]http.Handler) *httpapi.API {
	build := telemetry.ReadBuild()
	return httpapi.NewAPI(httpapi.Options{
		Service:        s.service,
		Verifier:       s.verifier,
		Origins:        &s.origins,
		Admitter:       s.hub,
		WebSocket:      s.sockets,
		Events:         s.streams,
		Tickets:        limit.New(notify.Rate{Name: "tickets", Quota: maxTickets, Window: time.Second}, 0),
		Requests:       s.limits.requests,
		Handshakes:     s.limits.handshakes,
		Depth:          s.jsonDepth,
		BodyBytes:      s.memory.bodies(),
		Pages:          withOurs(pages),
		BasePath:       s.cfg.BasePath,
		TrustedProxies: s.cfg.TrustedProxies,
		Alive:          s.store.Corrupt,
		Ready:          s.ready,
		Version:        build.Version,
		Revision:       build.Revision,
		Metrics:        s.metrics,
		Tracer:         s.tracer,
		Logger:         s.logger,
	})
}

func (s *node) adminHandler(api *httpapi.API) http.Handler {
	o := s.adminOptions()
	o.Backup, o.Backups = s.backups.write, s.cfg.Backups
	o.Cluster, o.Checkpoint = s.clusterStatus(), s.writeCheckpoint()
	o.Console = s.consoleOptions(api)
	return httpapi.Admin(o)
}

// adminOptions are those of the admin listener that do not need an open store.
func (s *node) adminOptions() httpapi.AdminOptions {
	return httpapi.AdminOptions{
		Metrics:  s.metrics.Handler(),
		Profiles: s.cfg.Profiles == "on",
		Listen:   s.cfg.AdminListen,
		Hosts:    s.cfg.AdminHosts,
		Log:      s.live.logControl(),
		Logger:   s.logger,
	}
}

// withOurs adds the browser client and the documents, which every service has, to pages.
func withOurs(pages map[string]http.Handler) map[string]http.Handler {
	client, docs := webui.Client(), webui.Docs()
	all := map[string]http.Handler{"/docs": docs, "/docs/*": docs}
	for _, path := range webui.ClientPaths() {
		all[path] = client
	}
	maps.Copy(all, pages)
	return all
}
