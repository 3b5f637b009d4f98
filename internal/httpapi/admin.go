package httpapi

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/notify"
)

// AdminOptions are what the admin listener shows, and to whom.
type AdminOptions struct {
	Metrics  http.Handler // of /metrics
	Profiles bool         // serve /debug/pprof/

	// Listen is the address that the listener was configured with. A name in it is
	// one of the listener's own.
	Listen string

	// Hosts are further names by which the listener may be asked, with a port or,
	// for any port, without one.
	Hosts []string

	Logger *slog.Logger
}

// NewAdminServer returns a server for Admin. Answers may take any time: a profile
// takes as long as it is asked to.
func NewAdminServer(h http.Handler, headBytes int, logger *slog.Logger) *http.Server {
	server := NewServer(h, headBytes, logger)
	server.WriteTimeout = 0
	return server
}

// Admin returns the handler of the admin listener. It asks for no token, so the
// listener must not be open to strangers. A browser on a machine that may ask is no
// way in: a page of another site is refused, and so is a name that its owner has
// pointed at this machine (DNS rebinding).
func Admin(o AdminOptions) http.Handler {
	e := newEcho(o.Logger)
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) (err error) {
			defer func() {
				if p := recover(); p != nil {
					err = panicked(p)
				}
			}()
			c.Response().Header().Set(echo.HeaderXRequestID, newID())
			if hasBody(c.Request()) {
				closeAfter(c)
			}
			if err := o.admit(c.Request()); err != nil {
				return err
			}
			return next(c)
		}
	})
	g := e.Group("")
	page(g, "/metrics", echo.WrapHandler(o.Metrics))
	if !o.Profiles {
		page(g, "/debug/pprof/*", func(echo.Context) error {
			return notify.Errorf(notify.ErrNotFound, "profiles are off; BELLHOP_PROFILES=on serves them")
		})
		return e
	}
	page(g, "/debug/pprof/", echo.WrapHandler(http.HandlerFunc(pprof.Index)))
	page(g, "/debug/pprof/:profile", echo.WrapHandler(http.HandlerFunc(pprof.Index)))
	page(g, "/debug/pprof/cmdline", echo.WrapHandler(http.HandlerFunc(pprof.Cmdline)))
	page(g, "/debug/pprof/profile", echo.WrapHandler(http.HandlerFunc(pprof.Profile)))
	page(g, "/debug/pprof/trace", echo.WrapHandler(http.HandlerFunc(pprof.Trace)))
	page(g, "/debug/pprof/symbol", echo.WrapHandler(http.HandlerFunc(pprof.Symbol)))
	g.POST("/debug/pprof/symbol", echo.WrapHandler(http.HandlerFunc(pprof.Symbol)))
	return e
}

// admit returns an error unless the request names this listener and is of no other
// site's page.
func (o *AdminOptions) admit(r *http.Request) error {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !o.isOwn(r.Host, local) {
		return notify.Errorf(notify.ErrMisdirected,
			"the admin listener is not known by the host %s: use one of its own addresses, or add the host to BELLHOP_ADMIN_HOSTS", quoted(r.Host, 100))
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "cross-site", "same-site":
		return notify.Errorf(notify.ErrOrigin, "pages of other sites may not use the admin listener")
	}
	for _, origin := range r.Header.Values(echo.HeaderOrigin) {
		_, host, _ := strings.Cut(origin, "://")
		if !strings.EqualFold(host, r.Host) {
			return notify.Errorf(notify.ErrOrigin, "pages of other origins may not use the admin listener")
		}
	}
	return nil
}

// isOwn reports whether host, as a request names it, is the listener: the loopback
// names, the address at which the connection arrived, or the configured name, each
// with the listener's port, or one of Hosts.
func (o *AdminOptions) isOwn(host string, local net.Addr) bool {
	name, port := hostAndPort(host)
	for _, h := range o.Hosts {
		allowed, itsPort := hostAndPort(h)
		if allowed == name && (itsPort == port || !hasPort(h)) {
			return true
		}
	}
	address, itsPort := "", ""
	if local != nil {
		address, itsPort = hostAndPort(local.String())
	}
	configured, _ := hostAndPort(o.Listen)
	return port == itsPort && name != "" &&
		slices.Contains([]string{"localhost", "127.0.0.1", "::1", address, configured}, name)
}

// hostAndPort returns the two parts of a Host header in the form in which they can
// be compared; a host without a port has that of HTTP.
func hostAndPort(host string) (name, port string) {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = strings.Trim(host, "[]"), "80"
	}
	return strings.ToLower(strings.TrimSuffix(name, ".")), port
}

func hasPort(host string) bool {
	_, _, err := net.SplitHostPort(host)
	return err == nil
}
