package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/inbox"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/wire"
)

// Verifier makes a principal of a token. Its errors are of the kinds
// ErrTokenInvalid, ErrTokenExpired, ErrTokenRevoked and ErrUnavailable.
type Verifier interface {
	Verify(ctx context.Context, token string) (notify.Principal, error)
}

// Origins is the list of origins whose pages may use the service.
type Origins interface {
	Allows(origin string) bool
}

// Publisher publishes drafts: package inbox.
type Publisher interface {
	Publish(ctx context.Context, by notify.Principal, call inbox.Call, d notify.Draft) (notify.Receipt, error)
	PublishBatch(ctx context.Context, by notify.Principal, call inbox.Call, items []wire.BatchItem) []inbox.Result
}

// Metrics hears of every request once it is answered; of a WebSocket, once it
// is open. The route is a path of openapi.yaml or of a page, or "other".
type Metrics interface {
	RequestDone(route string, status int, seconds float64)
}

// Options are what the API stands on. All are needed but Pages, BasePath and
// TrustedProxies.
type Options struct {
	Verifier  Verifier
	Origins   Origins
	Publisher Publisher

	// WebSocket serves GET /ws. It is asked only for a well-formed handshake
	// of a principal, which auth.PrincipalOf finds in the request's context.
	WebSocket http.Handler

	// Pages are served at their paths, to GET and HEAD, without a token. A path
	// that ends in "/*" stands for all below it. Handlers see paths without
	// BasePath.
	Pages map[string]http.Handler

	BasePath       string         // before all public paths; empty or "/…"
	TrustedProxies []netip.Prefix // whose X-Forwarded-For counts

	Alive    func() error // what only a restart can mend, or nil
	Ready    func() error // why nothing can be stored now, or nil
	Draining func() bool  // no more connections

	Metrics Metrics
	Logger  *slog.Logger
}

// api is the public handler. It is read-only once New has returned.
type api struct {
	Options
}

// New returns the handler of the public listener.
func New(o Options) http.Handler {
	o.BasePath = strings.TrimRight(o.BasePath, "/")
	a := &api{o}
	e := newEcho(o.Logger)
	e.IPExtractor = clientAddress(o.TrustedProxies)
	e.Use(a.observe, a.cors, limitBody(o.BasePath))

	g := e.Group(o.BasePath)
	g.POST("/notify", a.publishing(a.publish))
	g.POST("/notify/batch", a.publishing(a.publishBatch))
	g.GET("/ws", a.connect)
	page(g, "/livez", a.livez)
	page(g, "/readyz", a.readyz)
	page(g, "/openapi.yaml", serveDocument)
	for path, h := range o.Pages {
		page(g, path, echo.WrapHandler(http.StripPrefix(o.BasePath, h)))
	}
	return e
}

// newEcho returns an Echo that answers every error as a problem and says
// nothing by itself.
func newEcho(logger *slog.Logger) *echo.Echo {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = answerProblem(logger)
	return e
}

func page(g *echo.Group, path string, h echo.HandlerFunc) {
	g.GET(path, h)
	g.HEAD(path, h)
}
