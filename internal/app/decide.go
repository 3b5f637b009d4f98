package app

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/store"
)

// action is what a node of a cluster does with its store before it follows the journal.
type action string

const (
	follow  action = "follow"  // the store can follow the journal from its position
	begin   action = "begin"   // an empty store follows the journal from its first message
	adopt   action = "adopt"   // the standalone store becomes the beginning of the journal
	restore action = "restore" // a checkpoint replaces the store
	wait    action = "wait"    // another node will change that
	refuse  action = "refuse"  // only an operator can change that
)

// facts are what the decision depends on.
type facts struct {
	local       store.Contents
	recovering  bool // an interrupted recovery has left its file in the data directory
	stream      journal.StreamInfo
	origin      string               // of the journal; empty: none is recorded
	checkpoints []journal.Checkpoint // of the journal, newest first
	others      []journal.Checkpoint // of other journals
}

// decision is an action with its reason. Checkpoints are those to restore, the newest first:
// if one is damaged, the next one is used.
type decision struct {
	action      action
	why         string
	checkpoints []journal.Checkpoint
}

// decide returns what a node does before it follows the journal. A store is replaced only if
// it is known to be a copy of this journal, or of one that was recovered as this one.
func decide(f facts) decision {
	is := f.local.Journal
	replaces := slices.Contains(strings.Split(f.stream.RecoveredFrom, ","), is)
	switch {
	case f.recovering:
		return decision{action: refuse, why: "a recovery was interrupted; run bellhop cluster recover again"}
	case f.local.Damage != nil && is == "":
		return decision{action: refuse, why: fmt.Sprintf("the store is damaged, and it is not a copy of a journal: %v. "+
			"Restore a backup, or move the store away to join the cluster without it", f.local.Damage)}
	case is != "" && is != f.stream.Journal && !replaces:
		return decision{action: refuse, why: fmt.Sprintf("the store has followed another journal, %s, and the stream is %s. "+
			"If the stream was lost, run bellhop cluster recover on the node with the best store. "+
			"To join this cluster without the store, move it away", is, f.stream.Journal)}
	case is != "" && is != f.stream.Journal:
		return f.restored("the journal was recovered from the one that the store has followed")
	case f.local.Damage != nil:
		return f.restored(fmt.Sprintf("the store is damaged: %v", f.local.Damage))
	case is != "" && f.local.Message+1 < f.stream.First:
		return f.restored(fmt.Sprintf("the store is at message %d, and the journal begins at %d", f.local.Message, f.stream.First))
	case is != "":
		return decision{action: follow, why: fmt.Sprintf("the store is at message %d", f.local.Message)}
	case f.local.Sequence > 0:
		return f.adopted()
	default:
		return f.restored("there is no store yet")
	}
}

// restored decides which checkpoint is restored, or, if there is none, whether an empty store
// can follow the journal from its first message.
func (f facts) restored(why string) decision {
	if len(f.checkpoints) > 0 && f.checkpoints[0].Position+1 >= f.stream.First {
		return decision{action: restore, why: why, checkpoints: f.checkpoints}
	}
	isEmpty := f.stream.First == 1 && f.stream.Last == 0
	switch {
	case f.origin == journal.OriginEmpty && f.stream.First == 1:
		return decision{action: begin, why: why}
	case f.origin == "" && isEmpty && len(f.others) > 0:
		return decision{action: refuse, why: fmt.Sprintf("the stream is empty, and there are checkpoints of another journal, %s: its stream was lost. "+
			"Run bellhop cluster recover on the node with the best store, or delete the object store to begin without them", f.others[0].Journal)}
	case f.origin == "" && isEmpty:
		return decision{action: begin, why: why}
	default:
		return decision{action: wait, why: why + fmt.Sprintf(", and there is no checkpoint that reaches the first message of the journal, %d; "+
			"a node that follows the journal writes one", f.stream.First)}
	}
}

// adopted decides about a store that has been used without a cluster.
func (f facts) adopted() decision {
	switch {
	case f.origin == originOf(f.local), f.origin == "" && f.stream.First == 1 && f.stream.Last == 0 && len(f.checkpoints)+len(f.others) == 0:
		return decision{action: adopt, why: "the stream is empty"}
	default:
		return decision{action: refuse, why: "the store has been used without a cluster, and the stream has a history of its own. " +
			"To join the cluster without this store, move it away; to begin a cluster with it, choose a new BELLHOP_NATS_STREAM"}
	}
}

// originOf returns the origin of a journal that begins with a store. The sequence is part of
// it, so that of two copies of one store, of which one was used further, only one can be it.
func originOf(c store.Contents) string { return fmt.Sprintf("%s@%d", c.Identity, c.Sequence) }
