package e2e

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// A notification that was seen on one device is seen on all. Reading and archiving imply it, and
// marking as unread does not undo it.
func TestSeenOnEveryDevice(t *testing.T) {
	s := start(t)
	one, two, three := s.publish("one", "ada"), s.publish("two", "ada"), s.publish("three", "ada")
	phone, laptop := s.live("ada"), s.live("ada")
	counts := func(f frame) []any { return []any{f.Data["unread_count"], f.Data["unseen_count"]} }
	both := func() frame {
		f := phone.changes(1)[0]
		assert.Equal(t, []frame{f}, laptop.changes(1))
		return f
	}

	assert.Equal(t, 3, s.mark("ada", "seen", byID(one)), "it is still unread")
	f := both()
	assert.Equal(t, []any{one}, f.Data["seen"])
	assert.Equal(t, []any{3.0, 2.0}, counts(f))

	phone.send(`{"event":"read","data":{"ids":["` + two + `"]}}`)
	f = both()
	assert.Equal(t, []any{two}, f.Data["read"])
	assert.Equal(t, []any{2.0, 1.0}, counts(f), "read is seen")

	s.mark("ada", "unread", byID(two))
	assert.Equal(t, []any{3.0, 1.0}, counts(both()), "it stays seen")
	s.mark("ada", "archive", byID(three))
	assert.Equal(t, []any{2.0, 0.0}, counts(both()), "archived is seen")

	for _, item := range s.inbox("ada", "?state=all").Items {
		assert.NotEmpty(t, item.SeenAt, item.Title)
	}
	s.publish("four", "ada")
	phone.send(`{"event":"seen","ref":"7","data":{"all":true}}`)
	assert.Equal(t, []any{3.0, 0.0}, counts(both()))
	assert.Equal(t, 0, s.inbox("ada", "").Unseen)
}
