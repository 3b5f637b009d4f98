package httpapi

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"
)

// Tracer records a span for each request to the API.
type Tracer interface {
	// Request begins the span of a request to a route, with the request's traceparent as its parent. The
	// returned request has the span in its context. end is called once, with the status of the answer.
	Request(r *http.Request, method, route string) (traced *http.Request, end func(status int))

	// Within returns ctx with the span of a traced request.
	Within(ctx context.Context, traced *http.Request) context.Context
}

// publishContext returns the context in which the notifications of a request are published.
func (a *api) publishContext(c echo.Context) context.Context {
	ctx := a.timeout.context()
	if a.Tracer == nil {
		return ctx
	}
	return a.Tracer.Within(ctx, c.Request())
}

// traced begins the span of a request, and returns what ends it. Connections, which last for hours, probes,
// pages and unknown paths have none.
func (a *api) traced(c echo.Context) (end func(status int)) {
	if a.Tracer == nil {
		return func(int) {}
	}
	route := a.reports.route(c)
	if _, isPage := a.Pages[route]; isPage || isUntraced(route) {
		return func(int) {}
	}
	r, end := a.Tracer.Request(c.Request(), method(c.Request()), route)
	c.SetRequest(r)
	return end
}

func isUntraced(route string) bool {
	switch route {
	case "other", "/ws", eventsPath, "/livez", "/readyz", "/openapi.yaml":
		return true
	}
	return false
}
