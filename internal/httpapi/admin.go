package httpapi

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/wire"
)

// AdminOptions configure the admin listener.
type AdminOptions struct {
	Metrics  http.Handler // serves /metrics
	Profiles bool         // whether to serve /debug/pprof/

	// Cluster returns the state of the cluster, which GET /cluster answers with; nil: this
	// node is not part of one.
	Cluster func(context.Context) ClusterStatus

	// Checkpoint writes the checkpoint that POST /cluster/checkpoint asks for; nil as Cluster.
	Checkpoint CheckpointWriter

	// Backup writes the backup with which GET /backup answers, and Backups says who may have
	// one: BackupsLocal, BackupsOn, or anything else for nobody.
	Backup  BackupWriter
	Backups string

	Console ConsoleOptions

	// Log changes the level of the log; nil: the level is fixed.
	Log LogControl

	// Listen is the configured address of the listener. Requests may use a host name
	// in it.
	Listen string

	// Hosts are further names that requests may use: with a port, or without one for
	// any port.
	Hosts []string

	Logger *slog.Logger
}

// NewAdminServer returns a server for Admin. It does not bound the time of answers,
// because a request for a profile says how long that takes.
func NewAdminServer(h http.Handler, headerBytes int, logger *slog.Logger) *http.Server {
	server := NewServer(h, headerBytes, logger)
	server.WriteTimeout = 0
	return server
}

// Admin returns the handler of the admin listener. It requires no token, so the listener
// must not be reachable by strangers. Their web pages cannot reach it through a browser
// on this machine either: requests of other sites are refused, and so are host names
// that are not the listener's (DNS rebinding).
func Admin(o AdminOptions) http.Handler {
	reports := &reports{logger: o.Logger}
	e := newEcho(reports)
	e.IPExtractor = echo.ExtractIPDirect() // log lines have the address of the connection, not what a header says
	e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			identify(c)
			err := o.admit(c.Request())
			if hasBody(c.Request()) && (err != nil || !readsBody(c)) {
				closeAfter(c)
			}
			if err != nil {
				return err
			}
			return guarded(c, next)
		}
	})
	g := e.Group("")
	page(g, "/metrics", echo.WrapHandler(o.Metrics))
	page(g, "/cluster", o.cluster)
	g.POST("/cluster/checkpoint", func(c echo.Context) error { return o.checkpoint(c, reports) })
	page(g, "/log-level", o.logLevel)
	page(g, "/log-user", func(c echo.Context) error { return o.logUser(c, reports) })
	g.PUT("/log-level", func(c echo.Context) error { return o.setLogLevel(c, reports) })
	g.GET("/backup", func(c echo.Context) error { return o.backup(c, reports) })
	o.serveConsole(e, reports)
	if !o.Profiles {
		page(g, "/debug/pprof/*", func(echo.Context) error {
			return notify.Errorf(notify.ErrNotFound, "profiles are disabled; BELLHOP_PROFILES=on enables them")
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

// maxEmptyBody is the size of the largest body of a request that needs none.
const maxEmptyBody = 1 << 10

// checkNoBody returns an error if the body of c is neither missing nor an empty object. The clients of the admin
// listener are few, so the body takes memory from no budget.
func (*AdminOptions) checkNoBody(c echo.Context) error {
	r := c.Request()
	if !hasBody(r) {
		return nil
	}
	if err := checkContentType(c); err != nil {
		return err
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Response().Writer, r.Body, maxEmptyBody))
	if _, over := errors.AsType[*http.MaxBytesError](err); over {
		return tooLarge(maxEmptyBody)
	}
	if err != nil {
		return errIncomplete(r, err)
	}
	return wire.Nothing(body)
}

// admit returns an error unless the request names this listener and does not come from
// a page of another site.
func (o *AdminOptions) admit(r *http.Request) error {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !o.isOwn(r.Host, local) {
		return notify.Errorf(notify.ErrMisdirected,
			"the host %s is not one of the admin listener's: use one of its addresses, or add the host to BELLHOP_ADMIN_HOSTS", quoted(r.Host, 100))
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "cross-site", "same-site":
		if !followsLinkToConsole(r) {
			return notify.Errorf(notify.ErrOrigin, "pages of other sites may not use the admin listener")
		}
	}
	for _, origin := range r.Header.Values(echo.HeaderOrigin) {
		_, host, _ := strings.Cut(origin, "://")
		if !strings.EqualFold(host, r.Host) {
			return notify.Errorf(notify.ErrOrigin, "pages of other origins may not use the admin listener")
		}
	}
	return nil
}

// isOwn reports whether host, from a request, names the listener: one of Hosts, or,
// with the listener's port, a loopback name, the address at which the connection
// arrived, or the configured name.
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

// hostAndPort returns the two parts of a Host header in a form that can be compared. A host
// without a port has the port of HTTP.
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
