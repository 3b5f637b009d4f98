package cli

import (
	"fmt"
	"log/slog"

	"github.com/bellhop/bellhop/internal/app"
)

type clusterCommand struct {
	Status     clusterStatusCommand `cmd:"" default:"withargs" help:"Show the nodes of the cluster, the journal and the last checkpoint."`
	Checkpoint checkpointCommand    `cmd:"" help:"Write a checkpoint now, whether or not one is due."`
	Recover    recoverCommand       `cmd:"" help:"Accept that the journal of a cluster is lost, and begin a new one with the store of this node."`
}

type recoverCommand struct {
	Yes   bool `help:"accept what is lost, and recover"`
	Force bool `help:"recover even if nodes follow the journal"`

	Config              string   `type:"setting" placeholder:"PATH" help:"YAML file of settings"`
	DataDir             string   `type:"setting" placeholder:"PATH" help:"directory of the store that the new journal begins with"`
	NATSURL             []string `name:"nats-url" type:"setting" placeholder:"URL,…" help:"URLs of the NATS servers"`
	NATSCredentialsFile string   `name:"nats-credentials-file" type:"setting" placeholder:"PATH" help:"credentials of an operator, who may delete the stream"`
	NATSCAFile          string   `name:"nats-ca-file" type:"setting" placeholder:"PATH" help:"certificates (PEM) of the CA of the NATS servers"`
	NATSStream          string   `name:"nats-stream" type:"setting" placeholder:"NAME" help:"name of the JetStream stream"`
	Replicas            int      `type:"setting" placeholder:"N" help:"number of replicas of the stream"`
	UnsafeReplicas      string   `type:"setting" placeholder:"true|false" help:"true: allow a stream with one replica"`
	Node                string   `type:"setting" placeholder:"NAME" help:"name of this node"`
}

// Help says when the command is needed.
func (*recoverCommand) Help() string {
	return "If NATS has lost the journal or a part of it, no node follows it any longer. This command accepts the loss: the store of " +
		"this node becomes the beginning of a new journal. The other nodes take it over, and every client receives a reset. Without " +
		"a store the newest checkpoint is used. Stop all nodes, run the command without --yes on each, and with --yes on " +
		"the one that has the highest sequence. If it is interrupted, run it again."
}

// Run recovers the journal, or prints what that would do.
func (c *recoverCommand) Run(t *terminal) error {
	cfg, err := t.settings(forClient)
	if err != nil {
		return err
	}
	if len(cfg.NATSURL) == 0 {
		return usagef("BELLHOP_NATS_URL is not set: there is no cluster to recover")
	}
	logger := slog.New(slog.NewTextHandler(t.stderr, nil))
	found, err := app.Recover(t.ctx, cfg, app.RecoverOptions{Confirmed: c.Yes, Force: c.Force, Logger: logger})
	if err != nil {
		return err
	}
	from := "the store in " + cfg.DataDir
	if found.Checkpoint != nil {
		from = "the checkpoint that " + found.Checkpoint.Node + " has written at " + found.Checkpoint.Written.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	if found.Done {
		_, err = fmt.Fprintf(t.stdout, "recovered: the new journal begins with %s, at sequence %d; start all nodes\n", from, found.Sequence)
		return err
	}
	stream := "missing"
	if found.Stream.Journal != "" {
		stream = fmt.Sprintf("journal %s, messages %d to %d, followed by %d nodes",
			found.Stream.Journal, found.Stream.First, found.Stream.Last, found.Stream.Consumers)
	}
	_, err = fmt.Fprintf(t.stdout, "A new journal would begin with %s:\n"+
		"  sequence %d, at message %d of the journal %s\n  the stream %s is now: %s\n"+
		"Nothing was changed. Run it again with --yes on the node that has the highest sequence.\n",
		from, found.Sequence, found.Message, found.Journal, cfg.NATSStream, stream)
	return err
}
