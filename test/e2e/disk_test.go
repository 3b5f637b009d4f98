package e2e

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/notify"
)

// While the free disk space is below the reserve, publishing is refused and
// everything else works. (test/chaos really fills a disk and frees it again.)
func TestPublishingIsRefusedOnANearlyFullDisk(t *testing.T) {
	s := start(t)
	s.publish("before", "ada")
	enough := s.cfg.MinFree
	s.onAllNodes(func(c *config.Config) { c.MinFree = 1 << 60 }) // more than any disk has
	s.restart()

	for path, body := range map[string]string{
		"/notify":       draft(t, "refused", "ada"),
		"/notify/batch": `{"notifications":[` + draft(t, "refused", "ada") + `]}`,
	} {
		a := s.post(path, body)
		if path == "/notify/batch" {
			assert.Equal(t, []int{http.StatusServiceUnavailable}, statuses(t, a), "%s", a.body)
			continue
		}
		assert.Equal(t, http.StatusServiceUnavailable, a.StatusCode)
		assert.Equal(t, "unavailable", a.problem(t))
		assert.NotEmpty(t, a.Header.Get("Retry-After"))
	}
	ready := s.do(http.MethodGet, "/readyz", "")
	assert.Equal(t, http.StatusServiceUnavailable, ready.StatusCode)
	assert.Equal(t, "unavailable", ready.problem(t))
	assert.NotEmpty(t, ready.Header.Get("Retry-After"))
	assert.Equal(t, http.StatusOK, s.do(http.MethodGet, "/livez", "").StatusCode, "a restart would free no space")

	ada := s.connectWith(token(t, "ada", notify.ScopePublish), "earliest")
	ada.expect("before", "live")
	ada.send(`{"event":"publish","ref":"7","data":` + draft(t, "refused", "ada") + `}`)
	f := ada.read()
	assert.Equal(t, "error", f.Event)
	assert.Equal(t, "7", f.Ref)
	assert.EqualValues(t, http.StatusServiceUnavailable, f.Data["status"])
	assert.Equal(t, "urn:bellhop:problem:unavailable", f.text("type"))

	s.onAllNodes(func(c *config.Config) { c.MinFree = enough })
	s.restart()
	assert.Equal(t, http.StatusOK, s.do(http.MethodGet, "/readyz", "").StatusCode)
	s.publish("after", "ada")
	s.connect("ada", "earliest").expect("before", "after", "live")
}
