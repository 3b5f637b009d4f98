package httpapi

import (
	_ "embed"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/problem"
)

// livez serves GET /livez: an error means that only a restart can help.
func (a *api) livez(c echo.Context) error {
	return a.health(c, a.Alive(), sound{Status: "ok"})
}

// readyz serves GET /readyz: an error means that this node should receive no new work. The
// build is in the answer, so that a deployment can tell which one is ready.
func (a *api) readyz(c echo.Context) error {
	return a.health(c, a.Ready(), sound{Status: "ok", Version: a.Version, Revision: a.Revision})
}

// sound is the answer of a check that passed.
type sound struct {
	Status   string `json:"status"`
	Version  string `json:"version,omitempty"`
	Revision string `json:"revision,omitempty"`
}

// health answers 200, or 503 if there is an error. The client does not receive an error of
// another status, which the log has.
func (a *api) health(c echo.Context, err error, answer sound) error {
	c.Response().Header().Set(echo.HeaderCacheControl, "no-store")
	if err == nil {
		body, err := json.Marshal(answer)
		if err != nil {
			return err
		}
		return c.JSONBlob(http.StatusOK, body)
	}
	if problem.Of(err).Status != http.StatusServiceUnavailable {
		return &notify.Error{Kind: notify.ErrUnavailable, Cause: notify.CauseStore, Detail: "the store has failed", Reason: err.Error()}
	}
	return err
}

// The document is kept at the top of the repository, where readers look for it, and an
// embedded file must be here. A test compares this copy with it.
//
//go:generate cp ../../openapi.yaml openapi.yaml
//go:embed openapi.yaml
var document []byte

// serveDocument serves GET /openapi.yaml.
func serveDocument(c echo.Context) error {
	c.Response().Header().Set(echo.HeaderCacheControl, "no-cache")
	c.Response().Header().Set(echo.HeaderContentLength, strconv.Itoa(len(document))) // HEAD needs it set
	return c.Blob(http.StatusOK, "application/yaml", document)
}
