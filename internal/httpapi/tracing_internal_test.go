package httpapi

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Without a Tracer, a request allocates nothing for its trace.
func TestTracesThatAreOffAllocateNothing(t *testing.T) {
	a := &api{API: NewAPI(Options{})}
	c := echo.New().NewContext(httptest.NewRequest(http.MethodPost, notifyPath, http.NoBody), httptest.NewRecorder())
	shared := a.publishContext(c) // made once for all requests of shareFor
	require.NotNil(t, shared)
	a.timeout.start = a.timeout.start.AddDate(1, 0, 0)
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		end := a.traced(c)
		if a.publishContext(c) != shared {
			t.Error("another context")
		}
		end(http.StatusAccepted)
	}))
}
