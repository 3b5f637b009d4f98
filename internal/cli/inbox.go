package cli

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
)

type inboxCommand struct {
	client

	User  string `placeholder:"USER" help:"user whose inbox is listed; requires the scope notify:admin (default: the token's user)"`
	State string `enum:"unread,read,archived,all," default:"" placeholder:"unread|read|archived|all" help:"state of the listed notifications (default: all that are not archived)"`
	Limit int    `default:"50" placeholder:"N" help:"maximum number of notifications"`
	JSON  bool   `help:"print a notification as JSON in each line"`
}

// maxPage is the largest page that the service sends.
const maxPage = 100

// Run lists an inbox, newest first.
func (c *inboxCommand) Run(t *terminal) error {
	path := "/inbox"
	if c.User != "" {
		path = "/users/" + url.PathEscape(c.User) + "/inbox"
	}
	query := url.Values{}
	if c.State != "" {
		query.Set("state", c.State)
	}
	last, err := c.list(t, path, query, c.Limit, func(item json.RawMessage) error { return c.print(t, item) })
	if err != nil {
		return err
	}
	t.note("%d unread, %d unseen", last.UnreadCount, last.UnseenCount)
	return nil
}

// page is a page of notifications. Pages of an inbox have counts.
type page struct {
	Items       []json.RawMessage
	UnreadCount int `json:"unread_count"`
	UnseenCount int `json:"unseen_count"`
	Next        string
}

// list shows the notifications at a path of the service page by page, at most limit, and returns the last page.
// A page without notifications may be followed by others.
func (c *client) list(t *terminal, path string, query url.Values, limit int, show func(item json.RawMessage) error) (last page, err error) {
	base, token, err := c.resolve(t)
	if err != nil {
		return last, err
	}
	if limit < 1 {
		return last, usagef("--limit: must be at least 1")
	}
	for left := limit; ; {
		query.Set("limit", strconv.Itoa(min(left, maxPage)))
		last = page{}
		if err := t.requestInto(&last, "GET", base+path+"?"+query.Encode(), token, nil); err != nil {
			return last, err
		}
		for _, item := range last.Items {
			if err := show(item); err != nil {
				return last, err
			}
		}
		if left -= len(last.Items); last.Next == "" || left <= 0 {
			return last, nil
		}
		query.Set("before", last.Next)
	}
}

// readState returns what a user has done with a notification last, and unseen if it was nothing.
func readState(archivedAt, readAt, seenAt, unseen string) string {
	switch {
	case archivedAt != "":
		return "archived"
	case readAt != "":
		return "read"
	case seenAt != "":
		return "seen"
	}
	return unseen
}

// print prints a notification as a line.
func (c *inboxCommand) print(t *terminal, item json.RawMessage) error {
	var n struct {
		ID, Time, Type, Title, Body string
		SeenAt                      string `json:"seen_at"`
		ReadAt                      string `json:"read_at"`
		ArchivedAt                  string `json:"archived_at"`
	}
	if err := json.Unmarshal(item, &n); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	line := string(item)
	if !c.JSON {
		state := readState(n.ArchivedAt, n.ReadAt, n.SeenAt, "new")
		text := n.Title
		if text == "" {
			text = n.Body
		}
		line = fmt.Sprintf("%s  %s  %-8s  %s  %s", n.Time, n.ID, state, n.Type, text)
	}
	_, err := fmt.Fprintln(t.stdout, printable(line))
	return err
}

type readCommand struct {
	client

	IDs []string `arg:"" optional:"" name:"id" placeholder:"ID" help:"IDs of notifications, at most 100"`
	All bool     `help:"mark all notifications of the inbox as read"`
}

// Run marks notifications of the token's user as read.
func (c *readCommand) Run(t *terminal) error {
	base, token, err := c.resolve(t)
	if err != nil {
		return err
	}
	if c.All == (len(c.IDs) > 0) {
		return usagef("name notifications, or set --all")
	}
	body, err := json.Marshal(struct {
		IDs []string `json:"ids,omitempty"`
		All bool     `json:"all,omitempty"`
	}{c.IDs, c.All})
	if err != nil {
		return err
	}
	var counts struct {
		Unread int `json:"unread_count"`
		Unseen int `json:"unseen_count"`
	}
	if err := t.requestInto(&counts, "POST", base+"/inbox/read", token, body); err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.stdout, "%d unread, %d unseen\n", counts.Unread, counts.Unseen)
	return err
}
