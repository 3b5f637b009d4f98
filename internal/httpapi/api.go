package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/store"
	"github.com/bellhop/bellhop/internal/strict"
	"github.com/bellhop/bellhop/internal/wire"
)

// Service carries out requests: package service. Its errors are of kinds in package
// notify.
type Service interface {
	Publish(ctx context.Context, by notify.Principal, call service.Call, d notify.Draft) (notify.Receipt, error)
	PublishBatch(ctx context.Context, by notify.Principal, call service.Call, items []wire.BatchItem) []service.Result
	Recall(ctx context.Context, by notify.Principal, id string) error
	Trace(ctx context.Context, by notify.Principal, id string, user notify.UserID) (service.Trace, error)

	List(ctx context.Context, by notify.Principal, q service.Query) (wire.InboxPage, error)
	ListOf(ctx context.Context, by notify.Principal, u notify.UserID, q service.Query) (wire.InboxPage, error)
	RemovedOf(ctx context.Context, by notify.Principal, u notify.UserID, q service.Query) (service.RemovedPage, error)
	Counts(ctx context.Context, by notify.Principal, f notify.Filter, grouping notify.Grouping) (notify.GroupedCounts, error)
	Mark(ctx context.Context, by notify.Principal, verb notify.Verb, which wire.Selection) (notify.Counts, error)

	ChangeMembers(ctx context.Context, by notify.Principal, e notify.Members) (joined, left int, err error)
	SetTopics(ctx context.Context, by notify.Principal, e notify.UserTopics) (joined, left int, err error)
	Members(ctx context.Context, by notify.Principal, t notify.Topic, after notify.UserID, limit int) (users []notify.UserID, more bool, err error)
	TopicsOf(ctx context.Context, by notify.Principal, u notify.UserID) ([]notify.Topic, error)

	Preferences(ctx context.Context, by notify.Principal, u notify.UserID) (notify.Preferences, error)
	SetPreferences(ctx context.Context, by notify.Principal, e notify.UserPreferences) error

	IssueTicket(ctx context.Context, by notify.Principal) (ticket string, err error)
	RedeemTicket(ctx context.Context, ticket string) (notify.Principal, error)
	Revoke(ctx context.Context, by notify.Principal, r notify.Revocation) error

	Export(ctx context.Context, by notify.Principal, u notify.UserID, from string) (store.ExportPage, error)
	Erase(ctx context.Context, by notify.Principal, u notify.UserID) error

	Connections(ctx context.Context, by notify.Principal, u notify.UserID) (notify.Connections, error)
	Disconnect(ctx context.Context, by notify.Principal, u notify.UserID) error
}

// Origins is the list of origins whose pages may use the service.
type Origins interface {
	Allows(origin string) bool
}

// Options configure the API. The limiters, Depth, BodyBytes, Pages, BasePath and
// TrustedProxies are optional, and all others are required.
type Options struct {
	Service  Service
	Verifier Verifier
	Origins  Origins
	Admitter Admitter

	// WebSocket serves GET /ws, and Events serves GET /events. They receive only
	// requests that passed all checks; those for WebSocket are valid handshakes. The
	// context of a request has the user (auth.PrincipalOf) and the slot (hub.SlotOf).
	WebSocket http.Handler
	Events    http.Handler

	Requests   *limit.Principals // requests of a principal; nil: no limit
	Tickets    *limit.Limiter    // tickets of a principal; nil: no limit
	Handshakes *limit.Limiter    // connections opened from an address, by limit.AddressKey; nil: no limit

	Depth func() int // of nested JSON, at most; nil: strict.DefaultDepth

	// BodyBytes is the memory for all bodies that are arriving; 0: 128 MiB. It is
	// shared by address and principal, and a body beyond its share is answered with 503.
	BodyBytes int64

	// Pages are served at their paths, to GET and HEAD, without a token. A path that
	// ends in "/*" matches all paths below it. Handlers receive paths without BasePath.
	Pages map[string]http.Handler

	BasePath       string         // prefix of all public paths; empty or "/…"
	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed

	Alive func() error // a failure that only a restart repairs, or nil
	Ready func() error // the reason to send this node no new work, or nil

	Version, Revision string // of the running program; empty: unknown

	Metrics Metrics
	Tracer  Tracer // nil: nothing is traced
	Logger  *slog.Logger
}

// API is the API without a listener: its options, which are read-only once NewAPI has
// returned, and the memory that all listeners share.
type API struct {
	Options
	timeout sharedTimeout
	budgets budgets
}

// NewAPI returns an API.
func NewAPI(o Options) *API {
	o.BasePath = strings.TrimRight(o.BasePath, "/")
	if o.Depth == nil {
		o.Depth = func() int { return strict.DefaultDepth }
	}
	a := &API{Options: o}
	a.budgets.divide(o.BodyBytes)
	return a
}

// api is an API on one listener.
type api struct {
	*API
	reports *reports

	// caller returns the principal of a request. Its errors are those of Verifier, and of the
	// kind ErrUnauthenticated.
	caller func(*http.Request) (notify.Principal, error)
}

// Public returns the handler of the public listener.
func (a *API) Public() http.Handler {
	public := &api{API: a, reports: &reports{a.Logger, a.Metrics, a.BasePath}, caller: a.bearer}
	return public.handler()
}

func (a *api) handler() http.Handler {
	e := newEcho(a.reports)
	e.IPExtractor = clientAddress(a.TrustedProxies)
	e.Use(a.around)

	g := e.Group(a.BasePath)
	g.POST(notifyPath, a.orSigned(a.publishing(a.publish)))
	g.POST(batchPath, a.publishing(a.publishBatch))
	g.GET("/ws", a.admitted(a.connect))
	g.GET(eventsPath, a.stream)
	g.GET("/inbox", a.authenticated(a.list))
	g.GET("/inbox/counts", a.authenticated(a.counts))
	for _, verb := range []notify.Verb{notify.VerbSeen, notify.VerbRead, notify.VerbUnread, notify.VerbArchive} {
		g.POST("/inbox/"+string(verb), a.authenticated(a.marking(verb)))
	}
	g.DELETE("/notifications/:id", a.acting("recall", a.recall))
	g.POST("/tickets", a.authenticated(a.issueTicket))
	g.POST("/revocations", a.acting("revoke", a.revoke))
	g.GET("/topics/:topic/members", a.managing(a.members))
	g.POST("/topics/:topic/members", a.managing(a.changeMembers))
	g.GET("/users/:user/topics", a.managing(a.topicsOf))
	g.PUT("/users/:user/topics", a.managing(a.setTopics))
	g.GET("/preferences", a.authenticated(a.preferences))
	g.PUT("/preferences", a.authenticated(a.setPreferences))
	g.GET("/users/:user/preferences", a.operating(a.preferencesOf))
	g.PUT("/users/:user/preferences", a.acting("preferences", a.setPreferencesOf))
	g.GET("/notifications/:id", a.authenticated(a.trace))
	g.GET("/users/:user/inbox", a.operating(a.listOf))
	g.GET("/users/:user/removed", a.operating(a.removedOf))
	g.GET("/users/:user/export", a.acting("export", a.export))
	g.DELETE("/users/:user", a.acting("erase", a.erase))
	g.GET("/users/:user/connections", a.operating(a.connectionsOf))
	g.DELETE("/users/:user/connections", a.acting("disconnect", a.disconnect))
	page(g, "/livez", a.livez)
	page(g, "/readyz", a.readyz)
	page(g, "/openapi.yaml", serveDocument)
	for path, h := range a.Pages {
		page(g, path, a.reports.wrap(http.StripPrefix(a.BasePath, h)))
	}
	return e
}

// newEcho returns an Echo that answers every error as a problem, prints nothing, and believes
// no header about the address of a client.
func newEcho(r *reports) *echo.Echo {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.HTTPErrorHandler = r.answerProblem
	e.IPExtractor = clientAddress(nil)
	return e
}

func page(g *echo.Group, path string, h echo.HandlerFunc) {
	g.GET(path, h)
	g.HEAD(path, h)
}

// Values of headers that many answers share. They are never changed.
var (
	noStore  = []string{"no-store"}
	byOrigin = []string{echo.HeaderOrigin}
	asJSON   = []string{echo.MIMEApplicationJSON}
)

// answer answers with v as JSON.
func answer(c echo.Context, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	return answerJSON(c, status, body)
}

// answerJSON answers with body, which is JSON.
func answerJSON(c echo.Context, status int, body []byte) error {
	c.Response().Header()[echo.HeaderContentType] = asJSON
	c.Response().WriteHeader(status)
	_, err := c.Response().Write(body)
	return err
}
