package cli

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"

	"github.com/bellhop/bellhop/internal/httpapi"
)

type removedCommand struct {
	client

	User  string `arg:"" placeholder:"USER" help:"user whose removed notifications are listed"`
	Limit int    `default:"50" placeholder:"N" help:"maximum number of notifications"`
	JSON  bool   `help:"print a notification as JSON in each line"`
}

// Help says what the list has.
func (*removedCommand) Help() string {
	return "Lists the notifications that were in the inbox of the user and have expired, or were replaced, recalled or evicted, the last " +
		"published first. The token needs the scope notify:admin. The text is known only while other users have the notification. One to a " +
		"topic that only a token of the user has named is not listed: ask for it with bellhop why."
}

// Run lists removed notifications. A page without any is not the last: each is a part of those of all users.
func (c *removedCommand) Run(t *terminal) error {
	base, token, err := c.resolve(t)
	if err != nil {
		return err
	}
	if c.Limit < 1 {
		return usagef("--limit: must be at least 1")
	}
	path, query := base+"/users/"+url.PathEscape(c.User)+"/removed", url.Values{}
	for left := c.Limit; ; {
		query.Set("limit", strconv.Itoa(min(left, maxPage)))
		var page struct {
			Items []json.RawMessage
			Next  string
		}
		if err := t.requestInto(&page, "GET", path+"?"+query.Encode(), token, nil); err != nil {
			return err
		}
		for _, item := range page.Items {
			if err := c.print(t, item); err != nil {
				return err
			}
		}
		if left -= len(page.Items); page.Next == "" || left <= 0 {
			return nil
		}
		query.Set("before", page.Next)
	}
}

// print prints a removed notification as a line.
func (c *removedCommand) print(t *terminal, item json.RawMessage) error {
	line := string(item)
	if !c.JSON {
		var r httpapi.Removed
		var n struct{ ID, Time, Type, Title string }
		err := json.Unmarshal(item, &r)
		if err == nil {
			err = json.Unmarshal(r.Notification, &n)
		}
		if err != nil {
			return fmt.Errorf("read the answer: %w", err)
		}
		state := "unseen"
		switch {
		case r.ArchivedAt != "":
			state = "archived"
		case r.ReadAt != "":
			state = "read"
		case r.SeenAt != "":
			state = "seen"
		}
		what := n.Type
		if n.Title != "" {
			what += ", " + n.Title
		}
		line = fmt.Sprintf("%s  %s  %-8s  %s: %s", n.Time, n.ID, state, what, fate(r.Fate))
	}
	_, err := fmt.Fprintln(t.stdout, printable(line))
	return err
}
