package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

func TestIdempotencyKeySurvivesARestart(t *testing.T) {
	s := start(t)
	body := draft(t, "once", "ada")
	first := s.post("/notify", body, "Idempotency-Key", "k").json(t)
	s.restart()
	// The same key in quotes, and the same JSON with other whitespace.
	again := s.post("/notify", strings.ReplaceAll(body, ":", " : "), "Idempotency-Key", `"k"`)
	assert.Equal(t, http.StatusAccepted, again.StatusCode)
	assert.Equal(t, first["id"], again.json(t)["id"])
	assert.Equal(t, true, again.json(t)["duplicate"])
	other := s.post("/notify", draft(t, "another", "ada"), "Idempotency-Key", "k")
	assert.Equal(t, 422, other.StatusCode)
	assert.Equal(t, "key-reused", other.problem(t))
	s.connect("ada", "earliest").expect("once", "live")
}

// Two bodies with the same idempotency key are equal only if their numbers have
// exactly the same value, however they are written. A setting that takes an integer
// accepts 60.0 and refuses 60.5, over HTTP and on a socket.
func TestNumbersAreComparedExactly(t *testing.T) {
	s := start(t)
	of := func(n, ttl string) string {
		return `{"to":{"users":["ada"]},"type":"t","data":{"n":` + n + `},"ttl":` + ttl + `}`
	}
	post := func(n, ttl string) response { return s.post("/notify", of(n, ttl), "Idempotency-Key", "k") }
	require.Equal(t, http.StatusAccepted, post("1e400", "60").StatusCode)
	assert.Equal(t, "key-reused", post("1e401", "60").problem(t))
	assert.Equal(t, "key-reused", post("1e400", "61").problem(t))
	again := post("10.0e399", "6e1")
	require.Equal(t, http.StatusAccepted, again.StatusCode, "%s", again.body)
	assert.Equal(t, true, again.json(t)["duplicate"])
	assert.Equal(t, http.StatusUnprocessableEntity, s.post("/notify", of("1", "60.5")).StatusCode)
	assert.Equal(t, http.StatusUnprocessableEntity, s.post("/notify", of("1", "60.00000000000000000001")).StatusCode)

	eve := s.connectWith(token(t, "eve", notify.ScopePublish), "")
	eve.expect("live")
	eve.send(`{"event":"publish","ref":"1","data":` + of("1", "60.0") + `}`)
	eve.expect("reply")
	eve.send(`{"event":"publish","ref":"2","data":` + of("1", "60.5") + `}`)
	assert.EqualValues(t, 422, eve.read().Data["status"])
}
