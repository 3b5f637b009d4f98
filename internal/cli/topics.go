package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

type topicsCommand struct {
	Of      topicsOfCommand      `cmd:"" help:"Print the topics of which a user is a member."`
	Set     topicsSetCommand     `cmd:"" help:"Make a user a member of some topics, and of no others."`
	Members topicsMembersCommand `cmd:"" help:"Print the members of a topic."`
	Add     topicsAddCommand     `cmd:"" help:"Add members to a topic."`
	Remove  topicsRemoveCommand  `cmd:"" help:"Remove members from a topic."`
}

// Help says what a member is.
func (*topicsCommand) Help() string {
	return "A notification to a topic reaches the users whose token names the topic, and its members. A member receives notifications " +
		"that are published after joining, and keeps them after leaving. The token needs the scope notify:topics."
}

// topicsClient calls the service for the commands about topics.
type topicsClient struct{ client }

// Help says what the commands need.
func (*topicsClient) Help() string { return "The token needs the scope notify:topics." }

type topicsOfCommand struct {
	topicsClient

	User string `arg:"" help:"the user"`
}

// Run prints one topic on a line.
func (c *topicsOfCommand) Run(t *terminal) error {
	var list struct{ Topics []string }
	if err := c.into(&list, t, http.MethodGet, "/users/"+url.PathEscape(c.User)+"/topics", nil); err != nil {
		return err
	}
	return t.printLines(list.Topics)
}

type topicsSetCommand struct {
	topicsClient

	User   string   `arg:"" help:"the user"`
	Topics []string `arg:"" optional:"" name:"topic" help:"all topics of which the user is a member afterwards; without any, the user leaves all"`
}

// Run prints how many topics the user has joined and left.
func (c *topicsSetCommand) Run(t *terminal) error {
	body := map[string][]string{"topics": append([]string{}, c.Topics...)}
	return c.change(t, http.MethodPut, "/users/"+url.PathEscape(c.User)+"/topics", body)
}

type topicsMembersCommand struct {
	topicsClient

	Topic string `arg:"" help:"the topic"`
}

// Run prints one member on a line.
func (c *topicsMembersCommand) Run(t *terminal) error {
	path := "/topics/" + url.PathEscape(c.Topic) + "/members?limit=1000&after="
	for after := ""; ; {
		var page struct {
			Members []string
			Next    string
		}
		if err := c.into(&page, t, http.MethodGet, path+url.QueryEscape(after), nil); err != nil {
			return err
		}
		if err := t.printLines(page.Members); err != nil || page.Next == "" {
			return err
		}
		after = page.Next
	}
}

type topicsAddCommand struct {
	topicsClient

	Topic string   `arg:"" help:"the topic"`
	Users []string `arg:"" name:"user" help:"users"`
}

// Run prints how many users have joined.
func (c *topicsAddCommand) Run(t *terminal) error {
	return c.change(t, http.MethodPost, "/topics/"+url.PathEscape(c.Topic)+"/members", map[string][]string{"add": c.Users})
}

type topicsRemoveCommand struct {
	topicsClient

	Topic string   `arg:"" help:"the topic"`
	Users []string `arg:"" name:"user" help:"users"`
}

// Run prints how many users have left.
func (c *topicsRemoveCommand) Run(t *terminal) error {
	return c.change(t, http.MethodPost, "/topics/"+url.PathEscape(c.Topic)+"/members", map[string][]string{"remove": c.Users})
}

// into makes a request to a path of the service, and decodes the answer.
func (c *client) into(to any, t *terminal, method, path string, body []byte) error {
	base, token, err := c.resolve(t)
	if err != nil {
		return err
	}
	return t.requestInto(to, method, base+path, token, body)
}

// change sends a change of members, and prints its effect.
func (c *client) change(t *terminal, method, path string, change map[string][]string) error {
	body, err := json.Marshal(change)
	if err != nil {
		return err
	}
	var done struct{ Added, Removed int }
	if err := c.into(&done, t, method, path, body); err != nil {
		return err
	}
	_, err = fmt.Fprintf(t.stdout, "%d added, %d removed\n", done.Added, done.Removed)
	return err
}

func (t *terminal) printLines(lines []string) error {
	for _, line := range lines {
		if _, err := fmt.Fprintln(t.stdout, printable(line)); err != nil {
			return err
		}
	}
	return nil
}
