package cli

import (
	"fmt"
	"strings"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
)

type keyCommand struct {
	New newKeyCommand `cmd:"" help:"Print a new API key and its entry for the API keys file."`
}

type newKeyCommand struct {
	Name  string   `required:"" placeholder:"NAME" help:"the backend that the key is for: 1 to 64 of A-Z a-z 0-9 . _ -"`
	Scope []string `required:"" placeholder:"SCOPE" help:"what the key allows: notify:publish, notify:broadcast, notify:admin; may be given more than once"`
}

// Help says where the two halves go.
func (*newKeyCommand) Help() string {
	return "The key is printed to the standard output, once, and is kept nowhere: hand it to the backend, which sends it as " +
		"Authorization: Bearer. Its entry, which has only a hash of it, goes to the standard error: append it to the file that " +
		"BELLHOP_API_KEYS_FILE names, which a running service reads again by itself. " +
		"Example: bellhop key new --name billing --scope notify:publish 2>>api-keys.yaml"
}

// Run prints a key where a script can take it, and apart from it, so that it
// does not end up in the file, its entry: valid YAML to the last line.
func (c *newKeyCommand) Run(t *terminal) error {
	var scopes []notify.Scope
	for _, s := range strings.Fields(strings.Join(c.Scope, " ")) {
		scopes = append(scopes, notify.Scope(s))
	}
	key, entry, err := auth.NewAPIKey(c.Name, scopes)
	if err != nil {
		return usageError{err.Error()}
	}
	if _, err := fmt.Fprintln(t.stdout, key); err != nil {
		return err
	}
	t.tell("# An entry for the API keys file. The key itself is shown this once.\n%s", strings.TrimSpace(entry))
	return nil
}
