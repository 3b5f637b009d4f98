package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
)

// openAccess reads the keys that verify tokens, the list of allowed origins, and the TLS
// certificate. It reports the mistakes of all three.
func (s *node) openAccess(ctx context.Context) (err error) {
	o := authOptions(s.cfg)
	o.Revoked = func(p notify.Principal) bool { return s.store.Revoked(p) } // the store is opened before the first request
	o.Logger = s.logger
	s.verifier, err = auth.New(ctx, o)
	_, originsErr := auth.ParseOrigins(s.cfg.AllowedOrigins)
	if err != nil {
		err = fmt.Errorf("keys of tokens: %w", err)
	}
	if originsErr != nil {
		originsErr = fmt.Errorf("BELLHOP_ALLOWED_ORIGINS: %w", originsErr)
	}
	var tlsErr error
	if s.cfg.TLSCertFile != "" {
		s.certificate, tlsErr = openCertificate(ctx, s.cfg.TLSCertFile, s.cfg.TLSKeyFile, s.logger)
	}
	if err := errors.Join(err, originsErr, tlsErr); err != nil {
		if s.verifier != nil {
			s.verifier.Close()
		}
		return &SettingsError{err}
	}
	s.metrics.Observe(s.issuerSamples)
	s.metrics.Observe(s.fileSamples)
	return nil
}

// origins is the list of allowed origins, which a reload of the settings replaces.
type origins struct {
	now   atomic.Pointer[auth.Origins]
	added []string // in addition to those of the settings; set before the first request
}

// Allows reports whether pages of an origin may use the service.
func (o *origins) Allows(origin string) bool { return o.now.Load().Allows(origin) }

// set replaces the origins of the settings.
func (o *origins) set(list []string) error {
	parsed, err := auth.ParseOrigins(slices.Concat(list, o.added))
	if err != nil {
		return fmt.Errorf("allowed origins: %w", err)
	}
	o.now.Store(&parsed)
	return nil
}

// allowOrigins sets the allowed origins: those of the settings, and those of o.
func (s *node) allowOrigins(public net.Addr, o Options) error {
	if o.Origins != nil {
		s.origins.added = o.Origins(public)
	}
	return s.origins.set(s.cfg.AllowedOrigins)
}

// checkOrigin reports whether a request has no Origin header, or one that is allowed.
func (s *node) checkOrigin(r *http.Request) bool {
	origins := r.Header.Values("Origin")
	return len(origins) == 0 || len(origins) == 1 && s.origins.Allows(origins[0])
}

// limits are the limiters whose quotas are settings.
type limits struct {
	broadcasts, publishes, marks, handshakes *limit.Limiter

	requests *limit.Principals // by requests and by commands on sockets
}

func newLimits(cfg *config.Config) *limits {
	adjustable := func(name string, window time.Duration) *limit.Limiter {
		return limit.Adjustable(notify.Rate{Name: name, Window: window}, 0)
	}
	l := &limits{
		broadcasts: adjustable("broadcasts", time.Second),
		publishes:  adjustable("publishes", time.Second),
		marks:      adjustable("notifications marked", 10*time.Second),
		handshakes: adjustable("handshakes", time.Second),
		requests:   &limit.Principals{Users: adjustable("requests", time.Second), Backends: adjustable("requests", time.Second)},
	}
	l.set(cfg)
	return l
}

// set replaces the quotas by those of cfg.
func (l *limits) set(cfg *config.Config) {
	l.broadcasts.Set(cfg.Broadcasts, 0)
	l.publishes.Set(cfg.Publishes, 0)
	l.marks.Set(cfg.Marks, 0)
	l.handshakes.Set(cfg.HandshakesPerAddress, 0)
	l.requests.Users.Set(cfg.Requests, 2*cfg.Requests)
	l.requests.Backends.Set(cfg.BackendRequests, 0)
}

// maxTickets is how many tickets a principal may request per second: one for each of twenty
// connections, as often as a person can reload their pages.
const maxTickets = 20

// Numbers of open files that are reserved: those of the store, which has about 400 at most,
// and those of the store and of HTTP requests together.
const (
	storeFiles    = 450
	reservedFiles = 800
)

// maxConnections is the maximum of WebSockets and event streams; 0: none is known.
func (s *node) maxConnections() int { return s.maxConnectionsOf(s.cfg) }

func (s *node) maxConnectionsOf(cfg *config.Config) int {
	if cfg.Connections > 0 {
		return cfg.Connections
	}
	files := maxOpenFiles()
	if files > 0 {
		files = max(1, files-min(reservedFiles, files/2))
	}
	return lesser(files, s.memory.connections(s.certificate != nil))
}

// maxNetworkConnections is the maximum of network connections of all kinds; 0: none is
// known.
func (s *node) maxNetworkConnections(cfg *config.Config) int {
	files := maxOpenFiles()
	if files > 0 {
		files = max(1, files-min(storeFiles, files/3))
	}
	inMemory := 0
	if connections := s.maxConnectionsOf(cfg); s.memory > 0 && connections > 0 {
		inMemory = connections + s.memory.httpConnections()
	}
	return lesser(files, inMemory)
}

// lesser returns the lesser of two limits, where 0 stands for no limit.
func lesser(a, b int) int {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// nodeName returns the name of this node, which operators see in lists.
func (s *node) nodeName() string {
	if s.cfg.Node != "" {
		return s.cfg.Node
	}
	name, err := os.Hostname()
	if err != nil {
		s.logger.Warn("the host name cannot be read; the node is called unknown", "error", err)
		return "unknown"
	}
	return name
}
