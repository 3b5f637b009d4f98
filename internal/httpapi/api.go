package httpapi

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/wire"
)

// Verifier makes a principal of a token or API key. The errors of Verify are of
// the kinds ErrTokenInvalid, ErrTokenExpired, ErrTokenRevoked and ErrUnavailable.
type Verifier interface {
	Verify(ctx context.Context, token string) (notify.Principal, error)

	// CheckWebhook returns an error unless h may be of a signed request.
	// VerifyWebhook makes a principal of the signature over body, and returns
	// its id. Their errors may be of the kinds ErrUnauthenticated and
	// ErrMalformed, too.
	CheckWebhook(h http.Header) error
	VerifyWebhook(h http.Header, body []byte) (by notify.Principal, id string, err error)
}

// Access issues and redeems tickets, and revokes tokens: package service.
type Access interface {
	IssueTicket(ctx context.Context, by notify.Principal) (ticket string, err error)
	RedeemTicket(ctx context.Context, ticket string) (notify.Principal, error)
	Revoke(ctx context.Context, by notify.Principal, r notify.Revocation) error
}

// Origins is the list of origins whose pages may use the service.
type Origins interface {
	Allows(origin string) bool
}

// Publisher publishes drafts: package service.
type Publisher interface {
	Publish(ctx context.Context, by notify.Principal, call service.Call, d notify.Draft) (notify.Receipt, error)
	PublishBatch(ctx context.Context, by notify.Principal, call service.Call, items []wire.BatchItem) []service.Result
}

// Inbox lists and marks what users were told, and takes it back: package service.
type Inbox interface {
	List(ctx context.Context, by notify.Principal, q service.Query) (wire.InboxPage, error)
	Mark(ctx context.Context, by notify.Principal, verb notify.Verb, which wire.Selection) (unread int, err error)
	Recall(ctx context.Context, by notify.Principal, id string) error
}

// Metrics hears of every request once it is answered; of a WebSocket, once it
// is open. The route is a path of openapi.yaml or of a page, or "other".
type Metrics interface {
	RequestDone(route string, status int, seconds float64)
}

// Options are what the API stands on. All are needed but the limiters,
// Depth, BodyBytes, Pages, BasePath and TrustedProxies.
type Options struct {
	Verifier  Verifier
	Access    Access
	Origins   Origins
	Publisher Publisher
	Inbox     Inbox
	Admitter  Admitter
	Operators Operators

	// WebSocket serves GET /ws, and Events GET /events. They are asked only for
	// what has passed all checks, a well-formed handshake in the case of the
	// former. auth.PrincipalOf finds who asks in the request's context, and
	// hub.SlotOf the slot.
	WebSocket http.Handler
	Events    http.Handler

	Requests   *limit.Principals // nil: any number
	Tickets    *limit.Limiter    // of a principal; nil: any number
	Handshakes *limit.Limiter    // of an address, by limit.AddressKey; nil: any number

	Depth int // how deep JSON may nest; 0: wire.MaxDepth

	// BodyBytes is how much memory bodies may take while they arrive, all together;
	// 0: 128 MiB. It is shared by address and principal, and a body beyond its share
	// is answered 503.
	BodyBytes int64

	// Pages are served at their paths, to GET and HEAD, without a token. A path
	// that ends in "/*" stands for all below it. Handlers see paths without
	// BasePath.
	Pages map[string]http.Handler

	BasePath       string         // before all public paths; empty or "/…"
	TrustedProxies []netip.Prefix // whose X-Forwarded-For counts

	Alive func() error // a failure that only a restart repairs, or nil
	Ready func() error // the reason to send this node no new work, or nil

	Metrics Metrics
	Logger  *slog.Logger
}

// api is the public handler. Its options are read-only once New has returned.
type api struct {
	Options
	patience patience
	pools    pools
}

// New returns the handler of the public listener.
func New(o Options) http.Handler {
	o.BasePath = strings.TrimRight(o.BasePath, "/")
	o.Depth = cmp.Or(o.Depth, wire.MaxDepth)
	a := &api{Options: o}
	a.pools.shareOut(o.BodyBytes)
	e := newEcho(o.Logger)
	e.IPExtractor = clientAddress(o.TrustedProxies)
	e.Use(a.around)

	g := e.Group(o.BasePath)
	g.POST(notifyPath, a.orSigned(a.publishing(a.publish)))
	g.POST(batchPath, a.publishing(a.publishBatch))
	g.GET("/ws", a.admitted(a.connect))
	g.GET(eventsPath, a.stream)
	g.GET("/inbox", a.authenticated(a.list))
	for _, verb := range []notify.Verb{notify.VerbRead, notify.VerbUnread, notify.VerbArchive} {
		g.POST("/inbox/"+string(verb), a.authenticated(a.marking(verb)))
	}
	g.DELETE("/notifications/:id", a.operating(a.recall))
	g.POST("/tickets", a.authenticated(a.issueTicket))
	g.POST("/revocations", a.operating(a.revoke))
	g.GET("/users/:user/connections", a.operating(a.connectionsOf))
	g.DELETE("/users/:user/connections", a.operating(a.disconnect))
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
