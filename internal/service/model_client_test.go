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

// client is a device of a user, as a page would make one of the browser's
// client: it keeps a list and a count of its own, which it learns from one
// listing and then from frames alone.
type client struct {
	name   string
	by     notify.Principal
	device *device // nil: it is away
	heard  int     // how many frames of the device it has handled
	missed int     // the number of evictions before it connected

	shown        // what it shows now
	saved shown  // what it showed when it saved that
	told  orders // what the user is told, by place
}

// shown is what a client keeps, be it over a crash.
type shown struct {
	items  []shownItem // in the order in which they came
	unread int
	live   bool
	cursor string
}

// orders is what was told at each place, whoever was told it.
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
	ReadAt      time.Time `json:"read_at"`
	ArchivedAt  time.Time `json:"archived_at"`
}

func (s shown) clone() shown {
	s.items = slices.Clone(s.items)
	return s
}

// open lists all that there is, and connects from there.
func (c *client) open(t *rapid.T, r *rig, m *model.Model) {
	c.shown = shown{}
	before := ""
	for more := true; more; more = before != "" {
		page := listed(t, r, c.by, service.Query{State: notify.StateAll, Before: before, Limit: 7})
		if c.cursor == "" { // of the first page: what comes later may repeat what is on the others
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
	c.live, c.heard = false, 0
	c.device = r.connectAs(c.by, c.cursor)
}

// leave ends the connection.
func (c *client) leave() {
	c.device.conn.End(notify.CloseLost)
	c.device = nil
}

// handle handles what has come since it was called last.
func (c *client) handle(t *rapid.T) {
	if c.device == nil {
		return
	}
	frames := c.device.all()
	for _, f := range frames[c.heard:] {
		c.note(t, f)
		c.heard++
		if f.cursor == "" {
			continue
		}
		if before, now := placeOf(t, c.cursor), placeOf(t, f.cursor); now < before && f.event != "welcome" && f.event != "reset" {
			t.Fatalf("%s is told %s at %d after %d", c.name, f.event, now, before)
		}
		c.cursor = f.cursor
	}
}

// placeOf returns the place that a cursor stands for, which is opaque to all
// but who keeps the service honest.
func placeOf(t *rapid.T, cursor string) uint64 {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(raw) != 24 {
		t.Fatalf("cursor %q", cursor)
	}
	return binary.BigEndian.Uint64(raw[8:])
}

// note does what a frame says.
func (c *client) note(t *rapid.T, f frame) {
	switch f.event {
	case "reset": // what is kept is told again
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
		c.unread++ // as the browser's client counts
	}
	if n.Ephemeral {
		return
	}
	c.agree(t, f, n.ID)
	c.items = slices.DeleteFunc(c.items, func(i shownItem) bool {
		if i.ID == n.ID {
			t.Fatalf("%s is told %q again", c.name, n.Title)
		}
		return i.ID == n.Replaces
	})
	c.items = append(c.items, n)
}

// agree holds that all devices are told the same at the same place.
func (c *client) agree(t *rapid.T, f frame, what string) {
	at := placeOf(t, f.cursor)
	if before, ok := c.told[at]; ok && before != what {
		t.Fatalf("%s is told %s at %d, where another was told %s", c.name, what, at, before)
	}
	c.told[at] = what
}

func (c *client) change(t *rapid.T, f frame) {
	var change struct {
		Read, Unread, Archived, Recalled []string
		Count                            *int `json:"unread_count"`
	}
	if err := json.Unmarshal(f.data, &change); err != nil {
		t.Fatal(err)
	}
	if change.Count != nil {
		c.unread = *change.Count
	}
	ids := slices.Concat(change.Read, change.Unread, change.Archived) // what was recalled may have been replaced there
	if len(ids) > 0 && f.cursor != "" {
		c.agree(t, f, strings.Join(ids, " "))
	}
	now := time.Now()
	for i := range c.items {
		item := &c.items[i]
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

// words is what the client shows, newest first, but for what it cannot know to
// be gone: that was dropped while it was away.
func (c *client) words(unknown func(id string) bool) (all []string) {
	for _, i := range slices.Backward(c.items) {
		if !i.ExpiresAt.IsZero() && !time.Now().Before(i.ExpiresAt) || unknown(i.ID) {
			continue
		}
		all = append(all, wordOf(i.Title, !i.ReadAt.IsZero(), !i.ArchivedAt.IsZero()))
	}
	return all
}

// wordOf says of a notification which it is and how its reader finds it.
func wordOf(title string, read, archived bool) string {
	if read {
		title += " read"
	}
	if archived {
		title += " archived"
	}
	return title
}
