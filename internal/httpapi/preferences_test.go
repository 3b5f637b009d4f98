package httpapi_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// preferences is a Service that keeps the preferences of users.
type preferences struct {
	mu sync.Mutex
	of map[notify.UserID]notify.Preferences
}

func (p *preferences) Preferences(_ context.Context, _ notify.Principal, u notify.UserID) (notify.Preferences, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.of[u], nil
}

func (p *preferences) SetPreferences(_ context.Context, _ notify.Principal, e notify.UserPreferences) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.of == nil {
		p.of = map[notify.UserID]notify.Preferences{}
	}
	p.of[e.User] = e.Preferences
	return nil
}

// Users read and replace their own preferences, and operators those of others, which is logged.
func TestPreferencesOverHTTP(t *testing.T) {
	s := start(t)
	grace := []string{"Authorization", "Bearer grace", "Content-Type", "application/json"}
	admin := []string{"Authorization", "Bearer admin", "Content-Type", "application/json"}
	require.Equal(t, `{"rules":[]}`, string(s.do("GET", "/preferences", "", grace...).body))
	const full = `{"rules":[{"type":"comment.*","topic":"project.7","level":"off"},{"level":"silent"}],"quiet":{"from":"22:00","to":"07:00","zone":"Europe/Berlin"}}`
	require.Equal(t, full, string(s.do("PUT", "/preferences", full, grace...).body))
	require.Equal(t, full, string(s.do("GET", "/preferences", "", grace...).body))
	require.Equal(t, full, string(s.do("GET", "/users/grace/preferences", "", admin...).body))
	require.NotContains(t, s.logs.String(), "action=preferences", "own preferences are no action of an operator")

	require.Equal(t, `{"rules":[]}`, string(s.do("PUT", "/users/grace/preferences", `{"rules":[]}`, admin...).body))
	require.Equal(t, `{"rules":[]}`, string(s.do("GET", "/preferences", "", grace...).body))
	require.Contains(t, s.logs.String(), "action=preferences outcome=done principal=user:root target=grace")
	s.problem(s.do("GET", "/users/grace/preferences", "", grace...), 403, "scope")
	s.problem(s.do("PUT", "/users/grace/preferences", full, grace...), 403, "scope")
	s.problem(s.do("PUT", "/users/./preferences", full, admin...), 404, "not-found")
	p := s.problem(s.do("PUT", "/preferences", `{"rules":[{"level":"loud"}],"quiet":{"from":"7:00"}}`, grace...), 422, "invalid")
	require.Len(t, p.Errors, 4, "all faults at once: %v", p.Errors)
	p = s.problem(s.do("PUT", "/preferences", `{"rules":[],"quiet":{"from":"22:00","to":"22:00","zone":"UTC"}}`, grace...), 422, "invalid")
	require.Equal(t, "/quiet/to", p.Errors[0].Pointer)
	require.Equal(t, full, string(s.do("PUT", "/preferences", full+strings.Repeat(" ", 64<<10-len(full)), grace...).body))
	s.problem(s.do("PUT", "/preferences", full+strings.Repeat(" ", 64<<10-len(full)+1), grace...), 413, "too-large")
}
