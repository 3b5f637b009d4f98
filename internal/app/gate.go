package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
)

// openGate reads the keys of those who may come in, from which pages, and the
// certificate that they are shown.
func (s *node) openGate(ctx context.Context) (err error) {
	o := authOptions(s.cfg)
	o.Revoked = func(p notify.Principal) bool { return s.store.Revoked(p) } // nobody asks before there is one
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

func (s *node) allowOrigins(public net.Addr, o Options) (err error) {
	list := s.cfg.AllowedOrigins
	if o.Origins != nil {
		list = slices.Concat(list, o.Origins(public))
	}
	if s.origins, err = auth.ParseOrigins(list); err != nil {
		return fmt.Errorf("allowed origins: %w", err)
	}
	return nil
}

func (s *node) checkOrigin(r *http.Request) bool {
	origins := r.Header.Values("Origin")
	return len(origins) == 0 || len(origins) == 1 && s.origins.Allows(origins[0])
}

// perSecond returns what holds each key to a number of things a second; nil if
// that is 0, which is no limit.
func perSecond(what string, most int) *limit.Limiter {
	return limit.New(notify.Rate{Name: what, Quota: most, Window: time.Second}, 0)
}

// requestRates returns how many requests and commands principals may make.
func requestRates(cfg *config.Config) *limit.Principals {
	return &limit.Principals{
		Users:    limit.New(notify.Rate{Name: "requests", Quota: cfg.Requests, Window: time.Second}, 2*cfg.Requests),
		Backends: perSecond("requests", cfg.BackendRequests),
	}
}

// ticketsMost is how many tickets a principal may ask for in a second: one for
// each of twenty connections, as often as a person can reload them.
const ticketsMost = 20

// Open files that are kept for others than WebSockets and event streams: those
// of the store, which has some 400 at most, and besides them requests.
const (
	storeFiles  = 450
	sparedFiles = 800
)

// connectionsMost is how many WebSockets and event streams there may be; 0: any
// number.
func (s *node) connectionsMost() int {
	if s.cfg.Connections > 0 {
		return s.cfg.Connections
	}
	files := openFilesMost()
	if files > 0 {
		files = max(1, files-min(sparedFiles, files/2))
	}
	return lesser(files, s.memory.connections(s.certificate != nil))
}

// networkMost is how many network connections there may be, of whatever kind;
// 0: any number.
func (s *node) networkMost() int {
	files := openFilesMost()
	if files > 0 {
		files = max(1, files-min(storeFiles, files/3))
	}
	room := 0
	if connections := s.connectionsMost(); s.memory > 0 && connections > 0 {
		room = connections + s.memory.plain()
	}
	return lesser(files, room)
}

// lesser returns the lesser of two limits, of which 0 is none.
func lesser(a, b int) int {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// nodeName is what operators know this process by.
func (s *node) nodeName() string {
	name, err := os.Hostname()
	if err != nil {
		s.logger.Warn("the host name cannot be read", "error", err)
		return "unknown"
	}
	return name
}
