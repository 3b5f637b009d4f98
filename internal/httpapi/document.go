package httpapi

import (
	_ "embed"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"
)

// The document stands at the top of the repository, where people look for it
// and go:embed does not reach. A test holds this copy to it.
//
//go:generate cp ../../openapi.yaml openapi.yaml
//go:embed openapi.yaml
var document []byte

func serveDocument(c echo.Context) error {
	c.Response().Header().Set(echo.HeaderCacheControl, "no-cache")
	c.Response().Header().Set(echo.HeaderContentLength, strconv.Itoa(len(document))) // HEAD tells it too
	return c.Blob(http.StatusOK, "application/yaml", document)
}
