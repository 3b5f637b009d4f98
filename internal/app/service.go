package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/httpapi"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/inbox"
	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
	"github.com/bellhop/bellhop/internal/telemetry"
	"github.com/bellhop/bellhop/internal/ws"
)

// pingEvery is how often a connection is asked for a sign of life, as the
// contract has it.
const pingEvery = 25 * time.Second

// shutdownMost is how long requests under way may take once the connections
// have gone.
const shutdownMost = 12 * time.Second // more than an append may take

// Options are what Run needs besides the settings. All may be left out.
type Options struct {
	Logger *slog.Logger
	Pages  map[string]http.Handler // served beside the API, by path

	// Origins returns origins to allow besides those of the settings, once it is
	// known where the service listens; nil: none.
	Origins func(public net.Addr) []string

	// Listening is called once, when requests are answered.
	Listening func(public, admin net.Addr)
}

// service is the whole of bellhop in one process.
type service struct {
	cfg     *config.Config
	logger  *slog.Logger
	metrics *telemetry.Metrics

	origins  auth.Origins
	verifier *auth.Verifier
	store    *store.Store
	journal  *journal.Local
	hub      *hub.Hub
	inbox    *inbox.Inbox
	sockets  *ws.Handler

	commits sync.WaitGroup // the journal's goroutine, which outlives the others
	running sync.WaitGroup
	failed  chan error // what ended by itself, though it should not have
}

// Run runs the service until ctx ends, then lets every connection go, finishes
// what was begun and returns nil. An error means that it could not start, or
// could not go on.
func Run(ctx context.Context, cfg *config.Config, o Options) error {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &service{
		cfg:     cfg,
		logger:  o.Logger,
		metrics: telemetry.New(build()),
		failed:  make(chan error, 3), // as many as there are senders: the journal and two servers
	}
	if err := s.openGate(ctx); err != nil {
		return err
	}
	defer s.verifier.Close()
	stop, err := s.openRoad(ctx)
	if err != nil {
		return err
	}
	err = errors.Join(s.serve(ctx, o), stop())
	close(s.failed) // whoever sends has ended
	for late := range s.failed {
		err = errors.Join(err, late)
	}
	return err
}

// openGate reads the keys of those who may come in.
func (s *service) openGate(ctx context.Context) (err error) {
	secrets := make([][]byte, len(s.cfg.JWTSecret))
	for i, secret := range s.cfg.JWTSecret {
		secrets[i] = []byte(secret)
	}
	s.verifier, err = auth.New(ctx, auth.Options{
		Secrets:       secrets,
		PublicKeyFile: s.cfg.JWTPublicKeyFile,
		JWKS:          s.cfg.JWKS,
		Issuer:        s.cfg.JWTIssuer,
		Audience:      s.cfg.JWTAudience,
		Algorithms:    s.cfg.JWTAlgorithms,
		MaxBytes:      s.cfg.TokenBytes,
		Logger:        s.logger,
	})
	if err != nil {
		return fmt.Errorf("keys of tokens: %w", err)
	}
	return nil
}

// openRoad opens the store, the journal, the hub and the inbox, in this order,
// and returns what closes them in reverse.
func (s *service) openRoad(ctx context.Context) (stop func() error, err error) {
	s.store, err = store.Open(s.cfg.DataDir, store.Options{Logger: s.logger, Fatal: s.die})
	if err != nil {
		return nil, err
	}
	s.metrics.Observe(s.storeSamples)
	s.hub = hub.New(hub.Options{
		PerUser:    s.cfg.ConnectionsPerUser,
		QueueLen:   s.cfg.QueueLength,
		QueueBytes: int(s.cfg.QueueBytes),
		PingEvery:  pingEvery,
		Leeway:     auth.Leeway,
		Fresh:      func(_ *hub.Conn, at notify.Sequence) *hub.Frame { return inbox.LiveFrame(at) },
		Metrics:    s.metrics,
		Logger:     s.logger,
	})
	s.journal = journal.NewLocal(journal.Options{
		Machine: s.store,
		Last:    s.store.Last(),
		Deliver: func(n notify.Notification) { s.inbox.Deliver(n) }, // nothing is published before there is one
		Metrics: s.metrics,
	})
	// The journal outlives ctx: what is published until the last request is
	// answered must still be committed.
	committing, stopCommits := context.WithCancel(context.WithoutCancel(ctx))
	s.commits.Go(func() {
		if err := s.journal.Run(committing); err != nil {
			s.failed <- err
		}
	})
	stop = func() error {
		stopCommits()
		s.commits.Wait()
		return s.store.Close()
	}
	s.inbox, err = inbox.Open(ctx, inbox.Options{
		Journal:   s.journal,
		Store:     s.store,
		Hub:       s.hub,
		Logger:    s.logger,
		Metrics:   s.metrics,
		Retention: s.cfg.Retention,
		Keep:      s.cfg.PerUser,
		MaxBytes:  s.cfg.MaxBytes,
		Reserve:   uint64(s.cfg.MinFree),
		PingEvery: pingEvery,
	})
	if err != nil {
		return nil, errors.Join(err, stop())
	}
	return stop, nil
}

// serve answers requests until ctx ends or something fails, and then goes down
// from the top: connections, requests, upkeep.
func (s *service) serve(ctx context.Context, o Options) error {
	public, admin, err := s.listen(ctx)
	if err != nil {
		return err
	}
	if err := s.allowOrigins(public.Addr(), o); err != nil {
		return errors.Join(err, public.Close(), admin.Close())
	}
	upkeep, stopUpkeep := context.WithCancel(context.WithoutCancel(ctx))
	s.running.Go(func() { s.inbox.Run(upkeep) })
	s.running.Go(func() { s.hub.Run(upkeep) })

	s.sockets = ws.New(ws.Options{
		Inbox:       s.inbox,
		Hub:         s.hub,
		CheckOrigin: s.checkOrigin,
		Commands:    s.cfg.Commands,
		Logger:      s.logger,
		Metrics:     s.metrics,
	})
	servers := []*http.Server{
		s.start(public, httpapi.NewServer(s.publicHandler(o.Pages), s.cfg.HeadBytes, s.logger)),
		s.start(admin, httpapi.NewAdminServer(httpapi.Admin(s.metrics.Handler(), s.logger), s.cfg.HeadBytes, s.logger)),
	}
	s.logger.Info("listening", "public", public.Addr().String(), "admin", admin.Addr().String())
	if o.Listening != nil {
		o.Listening(public.Addr(), admin.Addr())
	}

	select {
	case <-ctx.Done():
		s.logger.Info("stopping", "connections", s.hub.Count(), "window", s.cfg.DrainWindow)
		s.hub.Drain(context.Background(), s.cfg.DrainWindow)
	case err = <-s.failed: // which whoever called Run is told
		s.hub.Drain(context.Background(), 0)
	}
	s.sockets.Wait()
	for _, server := range servers {
		err = errors.Join(err, s.shutdown(server))
	}
	stopUpkeep()
	s.running.Wait()
	return err
}

func (s *service) allowOrigins(public net.Addr, o Options) (err error) {
	list := s.cfg.AllowedOrigins
	if o.Origins != nil {
		list = slices.Concat(list, o.Origins(public))
	}
	if s.origins, err = auth.ParseOrigins(list); err != nil {
		return fmt.Errorf("allowed origins: %w", err)
	}
	return nil
}

func (s *service) checkOrigin(r *http.Request) bool {
	origins := r.Header.Values("Origin")
	return len(origins) == 0 || len(origins) == 1 && s.origins.Allows(origins[0])
}

func (s *service) publicHandler(pages map[string]http.Handler) http.Handler {
	return httpapi.New(httpapi.Options{
		Verifier:       s.verifier,
		Origins:        s.origins,
		Publisher:      s.inbox,
		WebSocket:      s.sockets,
		Pages:          pages,
		BasePath:       s.cfg.BasePath,
		TrustedProxies: s.cfg.TrustedProxies,
		Alive:          s.store.Corrupt,
		Ready:          s.inbox.Ready,
		Draining:       func() bool { _, draining := s.hub.Draining(); return draining },
		Metrics:        s.metrics,
		Logger:         s.logger,
	})
}

// listen opens both listeners, the public one with TLS if there is a
// certificate.
func (s *service) listen(ctx context.Context) (public, admin net.Listener, err error) {
	var l net.ListenConfig
	if public, err = l.Listen(ctx, "tcp", s.cfg.Listen); err != nil {
		return nil, nil, fmt.Errorf("listen: %w", err)
	}
	if admin, err = l.Listen(ctx, "tcp", s.cfg.AdminListen); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("listen for the admin: %w", err), public.Close())
	}
	if s.cfg.TLSCertFile != "" {
		if public, err = listenTLS(public, s.cfg.TLSCertFile, s.cfg.TLSKeyFile, s.logger); err != nil {
			return nil, nil, errors.Join(err, public.Close(), admin.Close())
		}
	}
	return public, admin, nil
}

// start runs a server in a goroutine of its own.
func (s *service) start(l net.Listener, server *http.Server) *http.Server {
	s.running.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- fmt.Errorf("serve %s: %w", l.Addr(), err)
		}
	})
	return server
}

// shutdown lets requests under way finish, within bounds: one whose body never
// comes keeps nobody.
func (s *service) shutdown(server *http.Server) error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownMost)
	defer cancel()
	err := server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		s.logger.Warn("requests are cut off that did not end", "after", shutdownMost)
		return server.Close()
	}
	return err
}

// die ends the process when its disk cannot be trusted: what is in memory may
// not be what is stored, and a restart reads what is.
func (s *service) die(err error) {
	s.logger.Error("ending at once", "error", err)
	os.Exit(exitFailure) //nolint:forbidigo // Pebble's Fatalf must not return, and what runs must not go on
}

func (s *service) storeSamples() []telemetry.Sample {
	stats := s.store.Stats()
	return []telemetry.Sample{
		{Name: "bellhop_store_disk_bytes", Help: "Size of the store on the disk.", Value: float64(stats.DiskBytes)},
		{Name: "bellhop_store_memtable_bytes", Help: "Size of what is not flushed yet.", Value: float64(stats.MemTableBytes)},
		{Name: "bellhop_store_cache_bytes", Help: "Size of the block cache.", Value: float64(stats.CacheBytes)},
		{Name: "bellhop_store_cache_hits_total", Help: "Blocks found in the cache.", Value: float64(stats.CacheHits), Counter: true},
		{Name: "bellhop_store_cache_misses_total", Help: "Blocks read from the disk.", Value: float64(stats.CacheMisses), Counter: true},
		{Name: "bellhop_store_log_bytes_total", Help: "Bytes written to the write-ahead log.", Value: float64(stats.WALBytes), Counter: true},
		{Name: "bellhop_store_compactions_total", Help: "Compactions done.", Value: float64(stats.Compactions), Counter: true},
		{Name: "bellhop_store_read_amplification", Help: "Levels that a read may have to look at.", Value: float64(stats.ReadAmplification)},
		{Name: "bellhop_journal_sequence", Help: "The last durable sequence.", Value: float64(s.journal.Durable())},
	}
}
