package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
)

type preferencesCommand struct {
	Get preferencesGetCommand `cmd:"" help:"Print the preferences of a user as JSON."`
	Set preferencesSetCommand `cmd:"" help:"Replace the preferences of a user by those in a file."`
}

// Help says what preferences are.
func (*preferencesCommand) Help() string {
	return "Preferences are rules that say by type and topic how a user is notified, and quiet hours. The first rule that matches applies; " +
		"its level is off, silent or alert. The token must be the user's, or have the scope notify:admin if --user names another."
}

// preferencesOf has the flag of the commands about preferences.
type preferencesOf struct {
	client

	User string `placeholder:"USER" help:"user whose preferences they are; requires the scope notify:admin (default: the token's user)"`
}

func (c *preferencesOf) path() string {
	if c.User == "" {
		return "/preferences"
	}
	return "/users/" + url.PathEscape(c.User) + "/preferences"
}

// send makes a request, and prints the preferences in the answer in the form that set reads.
func (c *preferencesOf) send(t *terminal, method string, body []byte) error {
	base, token, err := c.resolve(t)
	if err != nil {
		return err
	}
	answer, err := t.request(method, base+c.path(), token, body)
	if err != nil {
		return err
	}
	var lines bytes.Buffer
	if err := json.Indent(&lines, answer, "", "  "); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	_, err = fmt.Fprintf(t.stdout, "%s\n", bytes.TrimSpace(lines.Bytes()))
	return err
}

type preferencesGetCommand struct{ preferencesOf }

// Run prints preferences.
func (c *preferencesGetCommand) Run(t *terminal) error { return c.send(t, http.MethodGet, nil) }

type preferencesSetCommand struct {
	preferencesOf

	File string `arg:"" placeholder:"FILE" help:"JSON file of rules and quiet hours, in the form that bellhop preferences get prints"`
}

// Run replaces preferences.
func (c *preferencesSetCommand) Run(t *terminal) error {
	body, err := os.ReadFile(c.File)
	if err != nil {
		return fmt.Errorf("read the preferences: %w", err)
	}
	return c.send(t, http.MethodPut, body)
}
