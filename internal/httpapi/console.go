package httpapi

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/console"
	"github.com/bellhop/bellhop/internal/notify"
)

// Values of BELLHOP_CONSOLE.
const (
	ConsoleLocal = "local" // requests from this machine, and those with an operator's token
	ConsoleOn    = "on"    // requests with an operator's token
)

// ConsoleOptions configure the operators' console on the admin listener.
type ConsoleOptions struct {
	// Access says who may use the console: ConsoleLocal, ConsoleOn, or anything else for nobody.
	// The options below are required unless it is nobody, except for Page.
	Access string

	Page  http.Handler // serves the page at /console and its files below; nil: there is none
	API   *API         // whose lookups and actions the console has; nil: the console is only the page
	Feed  *console.Feed
	About ConsoleAbout
}

// ConsoleAbout identifies the node that serves a console.
type ConsoleAbout struct {
	Node     string    `json:"node"`
	Version  string    `json:"version"`
	Revision string    `json:"revision"`
	Started  time.Time `json:"started"`
}

// The paths of the console.
const (
	consolePath = "/console"
	consoleAPI  = consolePath + "/api"
)

// consoleHeader must be "1" in requests that change something. A page of another site cannot
// send it without a preflight, which is refused.
const consoleHeader = "Bellhop-Console"

// consoleName is the name of the principal of requests without a token.
const consoleName = "console"

// operatorConsole is the console on one listener.
type operatorConsole struct {
	ConsoleOptions
	api *api
}

// serveConsole adds the routes of the console to the admin listener.
func (o *AdminOptions) serveConsole(e *echo.Echo, reports *reports) {
	if o.Console.Access != ConsoleLocal && o.Console.Access != ConsoleOn {
		for _, path := range []string{consolePath, consolePath + "/*"} {
			e.Any(path, func(echo.Context) error {
				return notify.Errorf(notify.ErrNotFound, "the console is disabled; BELLHOP_CONSOLE=local enables it")
			})
		}
		return
	}
	k := &operatorConsole{ConsoleOptions: o.Console}
	k.api = &api{API: k.API, reports: reports, caller: k.caller}
	g := e.Group("")
	toPage := func(c echo.Context) error { return c.Redirect(http.StatusFound, consolePath) }
	page(g, "/", toPage)
	page(g, consolePath+"/", toPage)
	if k.Page != nil {
		page(g, consolePath, reports.wrap(k.Page))
		page(g, consolePath+"/*", reports.wrap(k.Page))
	}
	if k.API == nil {
		return
	}
	a := k.api
	g.GET(consolePath+"/events", k.guarded(a.operating(k.events)))
	// Not a group with middleware: its answer to unknown paths would be that to other methods, too.
	route := func(method, path string, h echo.HandlerFunc) { e.Add(method, consoleAPI+path, h, k.guarded) }
	route(http.MethodGet, "/*", func(echo.Context) error { return notify.Errorf(notify.ErrNotFound, "no such path") })
	route(http.MethodGet, "/users/:user/connections", a.operating(a.connectionsOf))
	route(http.MethodGet, "/users/:user/topics", a.managing(k.asOperator(a.topicsOf)))
	route(http.MethodGet, "/users/:user/preferences", a.operating(a.preferencesOf))
	route(http.MethodGet, "/users/:user/inbox", a.operating(a.listOf))
	route(http.MethodGet, "/users/:user/removed", a.operating(a.removedOf))
	route(http.MethodGet, "/notifications/:id", a.operating(a.trace))
	route(http.MethodDelete, "/users/:user/connections", a.acting("disconnect", a.disconnect))
	route(http.MethodPost, "/revocations", a.acting("revoke", a.revoke))
	route(http.MethodDelete, "/notifications/:id", a.acting("recall", a.recall))
	route(http.MethodPost, notifyPath, a.acting("publish", k.publish))
	route(http.MethodGet, "/log-user", a.operating(func(c echo.Context, by notify.Principal) error {
		c.SetRequest(c.Request().WithContext(auth.WithPrincipal(c.Request().Context(), by)))
		return o.logUser(c, reports)
	}))
}

// isOfPage reports whether a path is of the page or its files, or leads to it.
func (o *ConsoleOptions) isOfPage(path string) bool {
	switch {
	case o.Access != ConsoleLocal && o.Access != ConsoleOn, path == consolePath+"/events", strings.HasPrefix(path, consoleAPI+"/"):
		return false
	}
	return path == "/" || path == consolePath || strings.HasPrefix(path, consolePath+"/")
}

// asOperator serves callers that are operators, too.
func (*operatorConsole) asOperator(h handler) handler {
	return func(c echo.Context, by notify.Principal) error {
		if err := by.May(notify.ScopeAdmin); err != nil {
			return err
		}
		return h(c, by)
	}
}

// publish serves POST /console/api/notify.
func (k *operatorConsole) publish(c echo.Context, by notify.Principal) error {
	if err := by.MayPublish(); err != nil {
		return err
	}
	return k.api.publish(c, by)
}

// caller returns the principal of the token in a request. A request from this machine needs
// none if the setting is ConsoleLocal.
func (k *operatorConsole) caller(r *http.Request) (notify.Principal, error) {
	if k.isLocal(r) {
		return notify.Principal{
			Name:   consoleName,
			Scopes: []notify.Scope{notify.ScopeAdmin, notify.ScopePublish, notify.ScopeBroadcast, notify.ScopeTopics},
		}, nil
	}
	return k.API.bearer(r)
}

// isLocal reports whether a request needs no token. One that has a token acts with its scopes.
func (k *operatorConsole) isLocal(r *http.Request) bool {
	return k.Access == ConsoleLocal && len(r.Header.Values(echo.HeaderAuthorization)) == 0 && fromHere(r)
}

// guarded serves requests for data and actions. It bounds the time for their answers, and refuses
// actions without the header of the console.
func (k *operatorConsole) guarded(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		h := c.Response().Header()
		h[echo.HeaderXContentTypeOptions], h[echo.HeaderVary] = noSniff, byOrigin
		control := http.NewResponseController(c.Response().Writer)
		_ = control.SetWriteDeadline(time.Now().Add(writeTimeout)) // tests have writers without deadlines
		defer func() { _ = control.SetWriteDeadline(time.Time{}) }()
		var err error
		if r.Method != http.MethodGet && r.Header.Get(consoleHeader) != "1" {
			err = notify.Errorf(notify.ErrOrigin, "requests to the console other than GET need the header %s: 1, which pages of other sites cannot send", consoleHeader)
		} else {
			err = guarded(c, func(c echo.Context) error {
				if r.Method != http.MethodPost { // handlers of other methods read no body
					skipBody(c)
				}
				return next(c)
			})
		}
		if err != nil {
			skipBody(c)
			c.Error(err)
		}
		discardRest(c)
		return nil
	}
}

// readsBody reports whether a route of the admin listener may read the body of a request.
func readsBody(c echo.Context) bool { return strings.HasPrefix(c.Path(), consoleAPI+"/") }

// followsLinkToConsole reports whether a browser opens the console's page in a tab, such as from a
// link in a ticket. The page has no data, and is neither readable nor shown in a frame of another site.
func followsLinkToConsole(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.TrimSuffix(r.URL.Path, "/") == consolePath &&
		r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

// fromHere reports whether a request was sent by this machine. One that a proxy on this machine has
// forwarded, and says so in a header, was not.
func fromHere(r *http.Request) bool {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !from.Addr().Unmap().IsLoopback() {
		return false
	}
	for name := range r.Header {
		if isOfProxy(name) {
			return false
		}
	}
	return true
}

// isOfProxy reports whether a header, by its canonical name, is one that proxies add. They name their
// client in Forwarded (RFC 7239) or in a header of their own, such as X-Forwarded-For, X-Real-IP,
// CF-Connecting-IP, X-Azure-ClientIP or X-Envoy-External-Address.
func isOfProxy(name string) bool {
	return name == "Via" || name == "Cdn-Loop" || strings.Contains(name, "Forwarded") ||
		slices.ContainsFunc([]string{"-Ip", "Clientip", "-Address", "-Addr"}, func(end string) bool { return strings.HasSuffix(name, end) })
}
