package journal

import (
	"sync/atomic"

	"github.com/bellhop/bellhop/internal/notify"
)

// skipped is an entry that this program cannot read. It takes its sequence and changes nothing.
type skipped struct {
	message *received
	index   int // in the batch
	entry   notify.Unknown
}

// skips counts the entries that were skipped.
type skips struct {
	foreign atomic.Uint64 // damaged, or of another program
	newer   atomic.Uint64 // of a kind or a version that this program does not know
}

// noteSkipped counts and logs an entry that was skipped. Another program that writes to the
// stream can cause such lines; the log limits lines with the same message.
func (j *Cluster) noteSkipped(s skipped, seq notify.Sequence) {
	attributes := []any{
		"stream", j.o.Stream, "message", s.message.sequence, "id", s.message.id, "sequence", uint64(seq), "reason", s.entry.Reason,
	}
	if s.entry.Newer {
		j.skips.newer.Add(1)
		j.o.Logger.Info("skipped an entry of the journal of a kind or version that only a later bellhop has; update this node", attributes...)
		return
	}
	j.skips.foreign.Add(1)
	j.o.Logger.Warn("skipped a message of the journal that no bellhop has written; check whether another program writes to the stream", attributes...)
}
