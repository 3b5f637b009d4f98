package httpapi_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// memberships is a Service without members, which notes the changes that it is asked for.
type memberships struct {
	mu      sync.Mutex
	changed []notify.Entry
}

func (m *memberships) note(e notify.Entry) (joined, left int, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changed = append(m.changed, e)
	return 2, 1, nil
}

func (m *memberships) ChangeMembers(_ context.Context, _ notify.Principal, e notify.Members) (joined, left int, err error) {
	return m.note(e)
}

func (m *memberships) SetTopics(_ context.Context, _ notify.Principal, e notify.UserTopics) (joined, left int, err error) {
	return m.note(e)
}

func (*memberships) Members(_ context.Context, _ notify.Principal, _ notify.Topic, after notify.UserID, limit int) ([]notify.UserID, bool, error) {
	return []notify.UserID{after + "!"}, limit == 7, nil
}

func (*memberships) TopicsOf(context.Context, notify.Principal, notify.UserID) ([]notify.Topic, error) {
	return []notify.Topic{"a", "b/c"}, nil
}

// Names in paths are decoded, and lists are answered page by page.
func TestMembersOverHTTP(t *testing.T) {
	s := start(t)
	manager := []string{"Authorization", "Bearer manager", "Content-Type", "application/json"}
	a := s.do("POST", "/topics/a%2Fb%25/members", `{"add":["ada","ada"],"remove":["grace"]}`, manager...)
	require.Equal(t, `{"added":2,"removed":1}`, string(a.body))
	a = s.do("PUT", "/users/%C3%A4da/topics", `{"topics":[]}`, manager...)
	require.Equal(t, `{"added":2,"removed":1}`, string(a.body))
	require.Equal(t, []notify.Entry{
		notify.Members{Topic: "a/b%", Add: []notify.UserID{"ada"}, Remove: []notify.UserID{"grace"}},
		notify.UserTopics{User: "äda", Topics: []notify.Topic{}},
	}, s.memberships.changed)
	require.Equal(t, `{"members":["x!"],"next":"x!"}`, string(s.do("GET", "/topics/t/members?limit=7&after=x", "", manager...).body))
	require.Equal(t, `{"members":["!"]}`, string(s.do("GET", "/topics/t/members", "", manager...).body))
	require.Equal(t, `{"topics":["a","b/c"]}`, string(s.do("GET", "/users/ada/topics", "", manager...).body))

	for _, path := range []string{"/topics/t/members", "/users/ada/topics"} {
		s.problem(s.do("GET", path, "", "Authorization", "Bearer admin"), 403, "scope")
	}
}
