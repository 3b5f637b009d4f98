package httpapi_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/httpapi"
	"github.com/bellhop/bellhop/internal/notify"
)

func TestHealth(t *testing.T) {
	full := notify.Errorf(notify.ErrUnavailable, "the disk is full")
	draining := notify.Errorf(notify.ErrDraining, "this node is stopping")
	for name, test := range map[string]struct {
		alive, ready error
		livez        int
		readyz       int
		problem      string
	}{
		"well":            {nil, nil, 200, 200, ""},
		"full":            {nil, full, 200, 503, "unavailable"},
		"draining":        {nil, draining, 200, 503, "draining"},
		"failed":          {errors.New("secret of ours"), full, 503, 503, "unavailable"},
		"failed, unknown": {errors.New("secret of ours"), errors.New("secret of ours"), 503, 503, "unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, func(o *httpapi.Options) {
				o.Alive = func() error { return test.alive }
				o.Ready = func() error { return test.ready }
				o.Version, o.Revision = "v1.2.3", "3b9dc7a"
			})
			bodies := map[string]string{
				"/livez":  `{"status":"ok"}`,
				"/readyz": `{"status":"ok","version":"v1.2.3","revision":"3b9dc7a"}`,
			}
			for path, status := range map[string]int{"/livez": test.livez, "/readyz": test.readyz} {
				require.Equal(t, status, s.do("HEAD", path, "").StatusCode)
				a := s.do("GET", path, "")
				require.Equal(t, "no-store", a.Header.Get("Cache-Control"))
				if status == http.StatusOK {
					require.Equal(t, bodies[path], string(a.body))
					continue
				}
				s.problem(a, status, test.problem)
				require.NotContains(t, string(a.body), "secret")
				require.NotEmpty(t, a.Header.Get("Retry-After"))
			}
		})
	}
}
