package service_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/wire"
	"github.com/bellhop/bellhop/test/model"
)

// client is a device of a user that works as the browser's client does: it keeps a
// list and a count of its own, from one listing and then from events alone.
type client struct {
	name    string
	by      notify.Principal
	device  *device // nil: it is away
	handled int     // the number of events of the device that it has handled
	missed  int     // the number of evictions before it connected

	shown           // its state now
	saved    shown  // its state when it was saved
	received orders // of all devices of the user
}

// shown is the state of a client, which it can save and restore.
type shown struct {
	items  []shownItem // in the order in which they came
	counts notify.Counts
	live   bool
	cursor string
}

// orders is what was received at each sequence, by any device.
type orders map[uint64]string

type shownItem struct {
	ID          string    `json:"id"`
	Title       string    `json:"title"`
	Audience    string    `json:"audience"`
	Topic       string    `json:"topic"`
	CollapseKey string    `json:"collapse_key"`
	Replaces    string    `json:"replaces"`
	Ephemeral   bool      `json:"ephemeral"`
	ExpiresAt   time.Time `json:"expires_at"`
	SeenAt      time.Time `json:"seen_at"`
	ReadAt      time.Time `json:"read_at"`
	ArchivedAt  time.Time `json:"archived_at"`
}

func (s shown) clone() shown {
	s.items = slices.Clone(s.items)
	return s
}

// open lists the whole inbox, and connects with the cursor of the list.
func (c *client) open(t *rapid.T, r *rig, m *model.Model) {
	c.shown = shown{}
	before := ""
	for more := true; more; more = before != "" {
		page := listed(t, r, c.by, service.Query{Filter: notify.Filter{State: notify.StateAll}, Before: before, Limit: 7})
		if c.cursor == "" { // of the first page: later events may repeat what is on the others
			c.cursor = page.Cursor
		}
		for _, i := range page.Items {
			c.items = append(c.items, itemOf(t, wire.AppendNotification(nil, &i.Notification)))
		}
		before = page.Next
	}
	slices.Reverse(c.items)
	c.saved = c.clone()
	c.connect(r, m)
}

func itemOf(t *rapid.T, data []byte) (i shownItem) {
	if err := json.Unmarshal(data, &i); err != nil {
		t.Fatal(err)
	}
	return i
}

func (c *client) connect(r *rig, m *model.Model) {
	c.missed = len(m.Evictions())
	c.live, c.handled = false, 0
	c.device = r.connectAs(c.by, c.cursor)
}

// reconnect connects again if the service has ended the connection, because of other preferences or
// of an erasure. It reports whether it has.
func (c *client) reconnect(t *rapid.T, r *rig, m *model.Model) bool {
	if c.device == nil || !c.device.conn.Ended() {
		return false
	}
	if why := *c.device.closed; why != notify.ClosePreferences && why != notify.CloseDisconnected {
		t.Fatalf("%s lost its connection: %+v", c.name, why)
	}
	c.handle(t)
	c.connect(r, m)
	return true
}

// forget forgets what was received, after the user was erased: a device that keeps it does not learn
// what has changed.
func (c *client) forget() {
	c.shown = shown{cursor: service.Earliest}
	c.saved = c.clone()
}

// leave ends the connection.
func (c *client) leave() {
	c.device.conn.End(notify.CloseLost)
	c.device = nil
}

// handle handles the events since the last call.
func (c *client) handle(t *rapid.T) {
	if c.device == nil {
		return
	}
	frames := c.device.all()
	for _, f := range frames[c.handled:] {
		c.note(t, f)
		c.handled++
		if f.cursor == "" {
			continue
		}
		if f.event == "welcome" || f.event == "reset" {
			c.cursor = f.cursor
			continue
		}
		if before, now := sequenceOf(t, c.cursor), sequenceOf(t, f.cursor); now < before {
			t.Fatalf("%s received %s at %d after %d", c.name, f.event, now, before)
		}
		c.cursor = f.cursor
	}
}

// sequenceOf returns the sequence of a cursor. Cursors are opaque to clients, but not to
// this test.
func sequenceOf(t *rapid.T, cursor string) uint64 {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(raw) != 24 {
		t.Fatalf("cursor %q", cursor)
	}
	return binary.BigEndian.Uint64(raw[8:])
}

// note changes the state as an event demands.
func (c *client) note(t *rapid.T, f frame) {
	switch f.event {
	case "reset": // everything that is kept follows
		c.items = nil
	case "live":
		c.live = true
		c.change(t, f)
	case "inbox":
		c.change(t, f)
	case "notification":
		c.add(t, f)
	}
}

func (c *client) add(t *rapid.T, f frame) {
	n := itemOf(t, f.data)
	if c.live && !n.Ephemeral && n.ReadAt.IsZero() && n.ArchivedAt.IsZero() && n.Replaces == "" {
		c.counts.Unread, c.counts.Unseen = c.counts.Unread+1, c.counts.Unseen+1 // as the browser's client counts
	}
	if n.Ephemeral {
		return
	}
	c.agree(t, f, n.ID)
	c.items = slices.DeleteFunc(c.items, func(i shownItem) bool {
		if i.ID == n.ID {
			t.Fatalf("%s received %q again", c.name, n.Title)
		}
		return i.ID == n.Replaces
	})
	c.items = append(c.items, n)
}

// agree checks that all devices receive the same at the same sequence.
func (c *client) agree(t *rapid.T, f frame, what string) {
	at := sequenceOf(t, f.cursor)
	if before, ok := c.received[at]; ok && before != what {
		t.Fatalf("%s received %s at %d, and another device received %s", c.name, what, at, before)
	}
	c.received[at] = what
}

func (c *client) change(t *rapid.T, f frame) {
	var change struct {
		Seen, Read, Unread, Archived, Recalled []string
		UnreadCount                            *int `json:"unread_count"`
		UnseenCount                            *int `json:"unseen_count"`
	}
	if err := json.Unmarshal(f.data, &change); err != nil {
		t.Fatal(err)
	}
	if change.UnreadCount != nil {
		c.counts = notify.Counts{Unread: *change.UnreadCount, Unseen: *change.UnseenCount}
	}
	ids := slices.Concat(change.Seen, change.Read, change.Unread, change.Archived) // a recalled one may have been replaced at this sequence
	if len(ids) > 0 && f.cursor != "" {
		c.agree(t, f, strings.Join(ids, " "))
	}
	now := time.Now()
	for i := range c.items {
		item := &c.items[i]
		if slices.Contains(slices.Concat(change.Seen, change.Read, change.Archived), item.ID) {
			item.SeenAt = now
		}
		if slices.Contains(change.Read, item.ID) {
			item.ReadAt = now
		}
		if slices.Contains(change.Archived, item.ID) {
			item.ArchivedAt = now
		}
		if slices.Contains(change.Unread, item.ID) {
			item.ReadAt, item.ArchivedAt = time.Time{}, time.Time{}
		}
	}
	c.items = slices.DeleteFunc(c.items, func(i shownItem) bool { return slices.Contains(change.Recalled, i.ID) })
}

// words is the list that the client shows, newest first, without notifications that
// were evicted while it was disconnected, which it cannot know.
func (c *client) words(unknown func(id string) bool) (all []string) {
	for _, i := range slices.Backward(c.items) {
		if !i.ExpiresAt.IsZero() && !time.Now().Before(i.ExpiresAt) || unknown(i.ID) {
			continue
		}
		all = append(all, wordOf(i.Title, !i.SeenAt.IsZero(), !i.ReadAt.IsZero(), !i.ArchivedAt.IsZero()))
	}
	return all
}

// wordOf is a notification with its read state.
func wordOf(title string, seen, read, archived bool) string {
	if seen {
		title += " seen"
	}
	if read {
		title += " read"
	}
	if archived {
		title += " archived"
	}
	return title
}
