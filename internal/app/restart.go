package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// errStartAgain says that a running node of a cluster has to replace its store by a checkpoint.
// It then closes all parts and starts again, within the process.
var errStartAgain = errors.New("the store has to be replaced by a checkpoint")

// watchEvery is the interval at which a node whose store cannot follow the journal any longer
// looks whether a checkpoint can replace it.
const watchEvery = 2 * time.Second

// watch makes the node start again if its store has to be replaced: it is behind the first
// message of the journal, or corrupt, or the journal was recovered from another store. ctx ends
// it.
func (c *membership) watch(ctx context.Context) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		why := c.replaceable(ctx)
		if why == nil {
			continue
		}
		select {
		case c.node.failed <- fmt.Errorf("%w: %w", errStartAgain, why):
		default: // the node ends anyway
		}
		return
	}
}

// replaceable returns why the store has to be replaced, nil if it need not or cannot be.
func (c *membership) replaceable(ctx context.Context) error {
	corrupt, stopped := c.node.store.Corrupt(), c.journal.Load().Status().Stopped
	if corrupt == nil && (stopped == nil || errors.Is(stopped, journal.ErrDiverged)) {
		return nil
	}
	at := c.journal.Load().Position()
	f, err := c.replica.factsAbout(ctx, store.Contents{
		Exists: true, Sequence: c.journal.Load().Durable(), Journal: at.Journal, Message: at.Message, Damage: corrupt,
	})
	if err != nil {
		return nil //nolint:nilerr // it is tried again
	}
	d := decide(f)
	if d.action == restore || d.action == begin && corrupt != nil {
		return notify.Unavailable(notify.CauseStore, "%s", d.why)
	}
	return nil
}
