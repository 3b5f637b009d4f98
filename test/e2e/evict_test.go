package e2e

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/bellhop/bellhop/internal/config"
)

// A full inbox evicts its oldest notification for each new one. Open connections
// receive an event with the evicted id, so that their list and count stay equal to
// the service's.
func TestEvictionFromAFullInboxIsAnnounced(t *testing.T) {
	s := start(t, func(c *config.Config) { c.PerUser = 2 })
	phone, stream := s.live("ada"), s.listen("", token(t, "ada"))
	one, two := s.publish("one", "ada"), s.publish("two", "ada")
	for i, title := range []string{"one", "two"} {
		assert.Equal(t, title, phone.read().text("title"), i)
	}
	for i, gone := range []string{one, two} {
		title := fmt.Sprint("new ", i)
		s.publish(title, "ada")
		newer, evicted := phone.read(), phone.read()
		assert.Equal(t, title, newer.text("title"))
		assert.Equal(t, "inbox", evicted.Event)
		assert.Equal(t, map[string]any{"recalled": []any{gone}, "unread_count": 2.0, "unseen_count": 2.0}, evicted.Data)
		assert.Empty(t, evicted.Cursor)
		page := s.inbox("ada", "")
		assert.Equal(t, 2, page.Unread)
		for _, item := range page.Items {
			assert.NotEqual(t, gone, item.ID)
		}
		assert.Empty(t, s.history("ada", newer.Cursor).titles, "its cursor is the newest")
	}
	for {
		if e := stream.next(); e.event == "inbox" {
			assert.Empty(t, e.id, "event streams receive it too, without an id")
			break
		}
	}
}
