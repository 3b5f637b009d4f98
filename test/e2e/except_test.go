package e2e

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// Users who are left out of a notification to topics or everyone get no event for it, and it is
// neither listed nor counted for them: over HTTP, in a batch, by a socket command, for ephemeral and
// deferred notifications, and after a reconnect from an earlier cursor.
func TestUsersWhoAreLeftOut(t *testing.T) {
	s := start(t)
	ada, grace := s.connectTo("ada", "", "news"), s.connectTo("grace", "", "news")
	ada.expect("live")
	grace.expect("live")
	cursor := grace.cursor
	send := func(path, body string) {
		a := s.do("POST", path, body, "Authorization", "Bearer "+token(t, "backend", notify.ScopePublish, notify.ScopeBroadcast))
		require.Equal(t, http.StatusAccepted, a.StatusCode, "%s", a.body)
	}
	send("/notify", `{"to":{"topics":["news"],"except":["grace"]},"type":"t","title":"topic"}`)
	send("/notify", `{"to":{"topics":["news","other"],"except":["grace","grace"]},"type":"t","title":"topics"}`)
	send("/notify", `{"to":{"all":true,"except":["grace"]},"type":"t","title":"all"}`)
	send("/notify", `{"to":{"all":true,"except":["grace"]},"type":"t","title":"ephemeral","ephemeral":true}`)
	send("/notify", `{"to":{"topics":["news"],"except":["grace"]},"type":"t","title":"deferred","deliver_at":"2020-01-01T00:00:00Z"}`)
	send("/notify/batch", `{"notifications":[{"to":{"topics":["news"],"except":["grace"]},"type":"t","title":"batch"}]}`)
	s.publish("last", "ada", "grace")

	ada.expectInAnyOrder("topic", "topics", "all", "ephemeral", "deferred", "batch", "last")
	grace.expect("last")
	s.connectTo("grace", cursor, "news").expect("last", "live")
	assert.Equal(t, 1, s.inbox("grace", "?state=all").Unread)

	for body, pointer := range map[string]string{
		`{"to":{"users":["ada"],"except":["grace"]},"type":"t"}`: "/to/except",
		`{"to":{"all":true,"except":[]},"type":"t"}`:             "/to/except",
		`{"to":{"all":true,"except":["a b"]},"type":"t"}`:        "/to/except/0",
	} {
		a := s.do("POST", "/notify", body, "Authorization", "Bearer "+token(t, "backend", notify.ScopePublish, notify.ScopeBroadcast))
		require.Equal(t, http.StatusUnprocessableEntity, a.StatusCode, "%s", a.body)
		assert.Contains(t, string(a.body), `"pointer":"`+pointer+`"`)
	}
}
