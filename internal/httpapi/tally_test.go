package httpapi_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
)

// The line about a publish names the backend, and has the number of notifications, of new idempotency keys
// and of deferred ones, so that an operator finds who fills the store. Other lines name no user.
func TestTheLineAboutAPublishHasItsTally(t *testing.T) {
	const later = `{"to":{"users":["ada"]},"type":"t","deliver_at":"2100-01-01T00:00:00Z"}`
	stored := service.Result{Receipt: notify.Receipt{ID: id, Recipients: 1}}
	again := service.Result{Receipt: notify.Receipt{ID: id, Recipients: 1, Duplicate: true}}
	refused := service.Result{Err: notify.Errorf(notify.ErrInvalid, "no")}
	for name, test := range map[string]struct {
		path, body string
		headers    []string
		want       string
	}{
		"plain":      {"/notify", toAda, nil, "principal=user:ada published=1 idempotency_keys=0 deferred=0"},
		"of a key":   {"/notify", toAda, []string{"Authorization", "Bearer bhk_key", "Idempotency-Key", "k"}, "principal=key:shop published=1 idempotency_keys=1 deferred=0"},
		"deferred":   {"/notify", later, nil, "principal=user:ada published=1 idempotency_keys=0 deferred=1"},
		"of a batch": {"/notify/batch", `{"notifications":[` + later + `,` + later + `,` + later + `,` + toAda + `]}`, []string{"Idempotency-Key", "k"}, "principal=user:ada published=2 idempotency_keys=2 deferred=1"},
		"of a mark":  {"/inbox/read", `{"ids":["` + id + `"]}`, nil, "user=ada"}, // the log of this test writes no hash
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.publisher.receipt, s.publisher.results = stored.Receipt, []service.Result{stored, again, refused, stored}
			a := s.do("POST", test.path, test.body, test.headers...)
			require.Less(t, a.StatusCode, http.StatusBadRequest, string(a.body))
			require.Regexp(t, `level=DEBUG msg=request .*`+test.want+"\n", s.logs.String())
		})
	}
}
