package cli

import (
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/bellhop/bellhop/internal/httpapi"
)

type logUserCommand struct {
	User string `arg:"" help:"user, with the prefix of its issuer"`

	admin `embed:""`
}

// Help says where the hash is found.
func (*logUserCommand) Help() string {
	return "The log has this hash in the attribute user, in place of the name. Only callers whose tokens have scopes are named, in the " +
		"attribute principal. The hash is the same on all nodes and after restarts. Example: grep \"$(bellhop log-user ada)\" bellhop.log"
}

// Run prints the hash alone, for other commands.
func (c *logUserCommand) Run(t *terminal) error {
	base, err := c.resolve(t)
	if err != nil {
		return err
	}
	body, err := getAdmin(t.ctx, base+"/log-user?"+url.Values{"user": {c.User}}.Encode())
	if err != nil {
		return err
	}
	var found httpapi.LogUser
	if err := json.Unmarshal(body, &found); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	_, err = fmt.Fprintln(t.stdout, printable(found.Hash))
	return err
}
