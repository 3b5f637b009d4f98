package e2e

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coder/websocket"
	"pgregory.net/rapid"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
)

// device is a client of a user that works as the browser's client does: it keeps a list and
// counts of its own, from one listing and then from events alone.
type device struct {
	*world
	name     string
	reader   notify.Reader
	token    string
	received orders      // of all devices of the user
	conn     *connection // nil: it is away

	resumes int // the number of connections from a cursor

	items  []shown // in the order in which they came
	counts notify.Counts
	live   bool
	cursor string
}

// orders is what was received at each sequence, by any device.
type orders map[uint64]string

// shown is a notification on a device.
type shown struct {
	id, title            string
	seen, read, archived bool
}

// listed is a notification in a page of GET /inbox.
type listed struct {
	ID, Title, Cursor string
	SeenAt            string `json:"seen_at"`
	ReadAt            string `json:"read_at"`
	ArchivedAt        string `json:"archived_at"`
}

// page reads one page of the inbox.
func (d *device) page(t *rapid.T, state notify.InboxState, before string, limit int) (items []listed, counts notify.Counts, cursor, next string) {
	query := fmt.Sprint("?limit=", limit)
	if state != notify.StateInbox {
		query += "&state=" + string(state)
	}
	if before != "" {
		query += "&before=" + before
	}
	a := d.s.do(http.MethodGet, "/inbox"+query, "", "Authorization", "Bearer "+d.token)
	var p struct {
		Items        []listed
		Unread       int `json:"unread_count"`
		Unseen       int `json:"unseen_count"`
		Cursor, Next string
	}
	if err := json.Unmarshal(a.body, &p); err != nil || a.StatusCode != http.StatusOK {
		t.Fatalf("GET /inbox%s: %d %s", query, a.StatusCode, a.body)
	}
	return p.Items, notify.Counts{Unread: p.Unread, Unseen: p.Unseen}, p.Cursor, p.Next
}

// list reads all pages. With several nodes, the next page may come from one that is ahead, and
// know that there is no more.
func (d *device) list(t *rapid.T, state notify.InboxState, limit int) (all []listed, counts notify.Counts, cursor string) {
	all, counts, cursor, next := d.page(t, state, "", limit)
	for next != "" {
		items, _, _, after := d.page(t, state, next, limit)
		if len(items) == 0 && len(d.s.nodes) == 1 {
			t.Fatalf("an empty page of %s, though the page before said that there is more", state)
		}
		all, next = append(all, items...), after
	}
	return all, counts, cursor
}

// checkList reads a list until it is that of the model, and returns it.
func (d *device) checkList(t *rapid.T, state notify.InboxState, limit int) []listed {
	var want []string
	for _, it := range d.model.List(d.reader, &notify.Filter{State: state}, time.Now()) {
		want = append(want, it.ID()+word("", !it.Seen.IsZero(), !it.Read.IsZero(), !it.Archived.IsZero()))
	}
	for deadline := time.Now().Add(timeout); ; {
		items, counts, _ := d.list(t, state, limit)
		var got []string
		for _, i := range items {
			got = append(got, i.ID+word("", i.SeenAt != "", i.ReadAt != "", i.ArchivedAt != ""))
		}
		if slices.Equal(got, want) && counts == d.model.Counts(d.reader) {
			return items
		}
		if len(d.s.nodes) == 1 || time.Now().After(deadline) {
			t.Fatalf("%s lists %q as %s with %+v, want %q with %+v", d.name, got, state, counts, want, d.model.Counts(d.reader))
		}
		<-time.After(time.Millisecond)
	}
}

// mark marks by HTTP, and compares the counts of the answer with the model.
func (d *device) mark(t *rapid.T, v notify.Verb, body string, e notify.Mark) {
	a := d.s.do(http.MethodPost, "/inbox/"+string(v), body, "Authorization", "Bearer "+d.token)
	d.apply(e)
	var answer struct {
		Unread int `json:"unread_count"`
		Unseen int `json:"unseen_count"`
	}
	err := json.Unmarshal(a.body, &answer)
	got, want := notify.Counts{Unread: answer.Unread, Unseen: answer.Unseen}, d.model.Counts(d.reader)
	if err != nil || a.StatusCode != http.StatusOK || got != want {
		t.Fatalf("%s: %s %s: %d %s, want %+v", d.name, v, body, a.StatusCode, a.body, want)
	}
}

// open lists the whole inbox, and connects with the cursor of the list. The list may be that of
// a node that is behind: the events after its cursor bring the rest.
func (d *device) open(t *rapid.T) {
	d.leave()
	d.items = nil
	var all []listed
	all, d.counts, d.cursor = d.list(t, notify.StateAll, 7)
	for _, i := range slices.Backward(all) {
		d.items = append(d.items, shown{i.ID, i.Title, i.SeenAt != "", i.ReadAt != "", i.ArchivedAt != ""})
	}
	d.resume(t)
}

// leave ends the connection, if any.
func (d *device) leave() {
	if d.conn != nil {
		d.conn.drop()
		d.conn = nil
	}
}

// resume connects with the last cursor, if the device is away.
func (d *device) resume(t *rapid.T) {
	if d.conn != nil {
		return
	}
	conn, resp, err := d.s.dial(d.token, d.cursor)
	if err != nil {
		t.Fatalf("%s cannot connect: %v %v", d.name, err, resp)
	}
	d.conn, d.live = conn, false
	d.resumes++
}

// read reads one event, and changes the state as it demands.
func (d *device) read(t *rapid.T) frame {
	f, err := d.conn.tryRead()
	if c := new(websocket.CloseError); errors.As(err, c) && c.Reason == notify.ClosePreferences.Reason {
		d.leave()
		d.resume(t)
		return frame{}
	}
	if err != nil {
		t.Fatalf("%s shows %q with %+v (live: %v), want %q with %+v, and there is no further event: %v",
			d.name, d.words(), d.counts, d.live, d.world.words(d.reader), d.model.Counts(d.reader), err)
	}
	switch f.Event {
	case "error":
		t.Fatalf("%s received %+v", d.name, f)
	case "reset":
		if f.text("reason") != string(hub.ResetPreferences) {
			t.Fatalf("%s received %+v", d.name, f)
		}
		d.items = nil
	case "live":
		d.live = true
		d.change(t, f)
	case "inbox":
		d.change(t, f)
	case "notification":
		d.add(t, f)
	}
	if f.Cursor == "" {
		return f
	}
	if before, now := sequenceOf(t, d.cursor), sequenceOf(t, f.Cursor); now < before && f.Event != "welcome" && f.Event != "reset" {
		t.Fatalf("%s received %s at %d after %d", d.name, f.Event, now, before)
	}
	d.cursor = f.Cursor
	return f
}

// sequenceOf returns the sequence of a cursor. Cursors are opaque to clients, but not to this
// test.
func sequenceOf(t *rapid.T, cursor string) uint64 {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(raw) != 24 {
		t.Fatalf("cursor %q", cursor)
	}
	return binary.BigEndian.Uint64(raw[8:])
}

// agree checks that all devices of a user receive the same at the same sequence.
func (d *device) agree(t *rapid.T, f frame, what string) {
	at := sequenceOf(t, f.Cursor)
	if before, ok := d.received[at]; ok && before != what {
		t.Fatalf("%s received %s at %d, and another device received %s", d.name, what, at, before)
	}
	d.received[at] = what
}

func (d *device) add(t *rapid.T, f frame) {
	n := shown{f.text("id"), f.text("title"), f.text("seen_at") != "", f.text("read_at") != "", f.text("archived_at") != ""}
	replaces := f.text("replaces")
	if d.live && !n.read && !n.archived && replaces == "" { // as the browser's client counts
		d.counts.Unread, d.counts.Unseen = d.counts.Unread+1, d.counts.Unseen+1
	}
	d.agree(t, f, n.id)
	d.items = slices.DeleteFunc(d.items, func(i shown) bool {
		if i.id == n.id {
			t.Fatalf("%s received %q again", d.name, n.title)
		}
		return i.id == replaces
	})
	d.items = append(d.items, n)
}

// change changes read state and counts.
func (d *device) change(t *rapid.T, f frame) {
	b, err := json.Marshal(f.Data)
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Seen, Read, Unread, Archived, Recalled []string
		UnreadCount                            *int `json:"unread_count"`
		UnseenCount                            *int `json:"unseen_count"`
	}
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	if c.UnreadCount != nil {
		d.counts = notify.Counts{Unread: *c.UnreadCount, Unseen: *c.UnseenCount}
	}
	if marked := slices.Concat(c.Seen, c.Read, c.Unread, c.Archived); len(marked) > 0 && f.Cursor != "" {
		d.agree(t, f, strings.Join(marked, " "))
	}
	for i := range d.items {
		item := &d.items[i]
		is := func(in ...[]string) bool { return slices.Contains(slices.Concat(in...), item.id) }
		item.seen = item.seen || is(c.Seen, c.Read, c.Archived)
		item.read = (item.read || is(c.Read)) && !is(c.Unread)
		item.archived = (item.archived || is(c.Archived)) && !is(c.Unread)
	}
	d.items = slices.DeleteFunc(d.items, func(i shown) bool { return slices.Contains(c.Recalled, i.id) })
}

// words is the list that the device shows, newest first.
func (d *device) words() (all []string) {
	for _, i := range slices.Backward(d.items) {
		all = append(all, word(i.title, i.seen, i.read, i.archived))
	}
	return all
}
