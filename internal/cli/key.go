package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
)

type keyCommand struct {
	New    newKeyCommand    `cmd:"" help:"Print a new API key, and add it to the API keys file."`
	Remove removeKeyCommand `cmd:"" help:"Remove an API key from the API keys file."`
}

type newKeyCommand struct {
	Name  string   `required:"" placeholder:"NAME" help:"the backend that the key is for: 1 to 64 of A-Z a-z 0-9 . _ -"`
	Scope []string `required:"" placeholder:"SCOPE" help:"what the key allows: notify:publish, notify:broadcast, notify:topics, notify:admin; may be given more than once"`
	File  string   `placeholder:"PATH" help:"API keys file that the entry is added to; if there is none, it is made, and may be read by the group of its directory (default: print the entry to the standard error)"`
}

// Help says where the key and its entry are written.
func (*newKeyCommand) Help() string {
	return "The key is printed to the standard output, once, and stored nowhere. Give it to the backend, which sends it in the header " +
		"Authorization: Bearer. Its entry, which has only a hash of the key, is added to the file, which is that of " +
		"BELLHOP_API_KEYS_FILE; a running service reads the file again when it changes. " +
		"Example: bellhop key new --name billing --scope notify:publish --file api-keys.yaml"
}

// Run prints the key to stdout, where a script can read it, and not before it is certain that the entry can
// be added to the file. Without a file the entry goes to stderr, as valid YAML.
func (c *newKeyCommand) Run(t *terminal) error {
	var scopes []notify.Scope
	for _, s := range strings.Fields(strings.Join(c.Scope, " ")) {
		scopes = append(scopes, notify.Scope(s))
	}
	key, entry, err := auth.NewAPIKey(c.Name, scopes)
	if err != nil {
		return usageError{err.Error()}
	}
	if c.File == "" {
		if _, err := fmt.Fprintln(t.stdout, key); err != nil {
			return err
		}
		t.note("# An entry for the API keys file; it has a hash of the key.\n%s", strings.TrimSpace(entry))
		return nil
	}
	return changeFile(c.File, func(content []byte) ([]byte, error) {
		changed, err := auth.AddAPIKey(content, entry)
		if err != nil {
			return nil, err
		}
		_, err = fmt.Fprintln(t.stdout, key)
		return changed, err
	})
}

type removeKeyCommand struct {
	Name string `required:"" placeholder:"NAME" help:"the backend whose key is removed"`
	File string `required:"" placeholder:"PATH" help:"API keys file"`
}

// Help says when the key is refused.
func (*removeKeyCommand) Help() string {
	return "The file is that of BELLHOP_API_KEYS_FILE. A running service reads it again when it changes, and then refuses the key. " +
		"Example: bellhop key remove --name billing --file api-keys.yaml"
}

// Run removes the entry from the file.
func (c *removeKeyCommand) Run() error {
	if _, err := os.Stat(c.File); err != nil {
		return err
	}
	return changeFile(c.File, func(content []byte) ([]byte, error) { return auth.RemoveAPIKey(content, c.Name) })
}

// changeFile replaces the file at path by what change returns for its content, which is empty if there is no
// file. A reader never sees half a file. The file keeps its owner and mode, and a symbolic link stays one. If
// change fails, nothing has changed.
func changeFile(path string, change func([]byte) ([]byte, error)) (err error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	content, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	const mode = 0o600
	next, err := os.OpenFile(path+".new", os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode) //nolint:gosec // the same
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s.new is there: another command changes the file, or was interrupted; then delete it", path)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(next.Name()))
		}
	}()
	content, err = change(content)
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", path, err), next.Close())
	}
	_, err = next.Write(content)
	if err := errors.Join(err, sameOwner(path, next), next.Sync(), next.Close()); err != nil {
		return err
	}
	return os.Rename(next.Name(), path)
}
