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
	Scope []string `required:"" placeholder:"SCOPE" help:"what the key allows: notify:publish, notify:broadcast, notify:topics, notify:admin; may be given more than once"`
}

// Help says where the key and its entry are printed.
func (*newKeyCommand) Help() string {
	return "The key is printed to the standard output, once, and stored nowhere. Give it to the backend, which sends it in the header " +
		"Authorization: Bearer. Its entry, which has only a hash of the key, is printed to the standard error. Append it to the file " +
		"of BELLHOP_API_KEYS_FILE; a running service reads the file again when it changes. " +
		"Example: bellhop key new --name billing --scope notify:publish 2>>api-keys.yaml"
}

// Run prints the key to stdout, where a script can read it, and the entry to stderr,
// so that the key does not get into the file of entries. The entry is valid YAML.
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
	t.note("# An entry for the API keys file; it has a hash of the key.\n%s", strings.TrimSpace(entry))
	return nil
}
