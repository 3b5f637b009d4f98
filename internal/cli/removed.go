package cli

import (
	"encoding/json"
	"fmt"
	"net/url"

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

// Run lists removed notifications.
func (c *removedCommand) Run(t *terminal) error {
	path := "/users/" + url.PathEscape(c.User) + "/removed"
	_, err := c.list(t, path, url.Values{}, c.Limit, func(item json.RawMessage) error { return c.print(t, item) })
	return err
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
		state := readState(r.ArchivedAt, r.ReadAt, r.SeenAt, "unseen")
		what := n.Type
		if n.Title != "" {
			what += ", " + n.Title
		}
		line = fmt.Sprintf("%s  %s  %-8s  %s: %s", n.Time, n.ID, state, what, fate(r.Fate))
	}
	_, err := fmt.Fprintln(t.stdout, printable(line))
	return err
}
