package cli

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/bellhop/bellhop/internal/store"
)

type restoreCommand struct {
	From string `required:"" placeholder:"FILE" help:"backup to read, or - for the standard input"`

	Config  string `type:"setting" placeholder:"PATH" help:"YAML file of settings"`
	DataDir string `type:"setting" placeholder:"PATH" help:"directory of the store, which must be empty or not exist"`
}

// Help says what restoring a backup means.
func (*restoreCommand) Help() string {
	return "The store appears in the directory only when the whole backup was compared with its checksums and is on the disk. If the command is " +
		"interrupted, run it again. Run it as the user of the service, and start the service afterwards: clients go on from cursors " +
		"that are older than the backup, and newer cursors get a reset."
}

// Run restores a backup into an empty data directory.
func (c *restoreCommand) Run(t *terminal) error {
	cfg, err := t.settings(forClient)
	if err != nil {
		return err
	}
	from := io.Reader(os.Stdin)
	if c.From != "-" {
		f, err := os.Open(c.From)
		if err != nil {
			return err
		}
		defer f.Close()
		from = f
	}
	shown := t.progress("restore")
	found, err := store.RestoreBackup(t.ctx, from, cfg.DataDir, shown.set)
	shown.end()
	if err != nil {
		if t.ctx.Err() != nil {
			err = fmt.Errorf("interrupted: %w", context.Cause(t.ctx))
		}
		return err
	}
	_, err = fmt.Fprintf(t.stdout, "restored: %s, sequence %d, %s\n", cfg.DataDir, found.Sequence, byteSize(found.Bytes))
	if err == nil && found.Journal != "" {
		_, err = fmt.Fprintf(t.stdout, "The store follows the journal %s of a cluster, up to message %d. "+
			"With BELLHOP_NATS_URL the node catches up with that; if it is lost, see bellhop cluster recover.\n",
			found.Journal, found.Message)
	}
	return err
}
