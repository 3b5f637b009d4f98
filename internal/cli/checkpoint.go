package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/bellhop/bellhop/internal/httpapi"
)

type checkpointCommand struct {
	admin `embed:""`
}

// Help says what a checkpoint has, and what goes.
func (*checkpointCommand) Help() string {
	return "The node that is asked writes the checkpoint. It contains everything that any node has acknowledged before the command was " +
		"started. The newest checkpoint before it stays, too. Older ones are deleted, and so are the messages of the journal that both " +
		"checkpoints contain. After an erasure, run the command twice: then neither the checkpoints nor the journal have data of the user."
}

// Run makes a node write a checkpoint. It waits as long as the node needs.
func (c *checkpointCommand) Run(t *terminal) error {
	base, err := c.resolve(t)
	if err != nil {
		return err
	}
	shown := t.progress("checkpoint")
	defer shown.end()
	body, err := waitAdmin(t.ctx, http.MethodPost, base+"/cluster/checkpoint")
	if err != nil {
		return err
	}
	var written httpapi.ClusterCheckpoint
	if err := json.Unmarshal(body, &written); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	_, err = fmt.Fprintf(t.stdout, "checkpoint written: %s\n", describeCheckpoint(&written))
	return err
}

func describeCheckpoint(cp *httpapi.ClusterCheckpoint) string {
	return fmt.Sprintf("sequence %d, written by %s at %s, %d bytes", cp.Sequence, printable(cp.Node), cp.Written.UTC().Format(time.RFC3339), cp.Bytes)
}
