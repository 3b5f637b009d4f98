package journal

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// Times and intervals of witnesses. A node appends a witness at each multiple of
// witnessEvery, after witnessTime if there are new entries, and when another node has
// appended one for a sequence, so that all nodes have one for the same sequences.
const (
	witnessEvery  = 8 << 10
	witnessTime   = time.Minute
	judgeAfter    = 5 * time.Second
	witnessRecent = 10 * time.Second // older entries are those of a node that catches up
	maxVotes      = 64               // sequences that are judged at the same time
)

// WitnessResult is the outcome of a comparison of the states of nodes.
type WitnessResult struct {
	Sequence   notify.Sequence // of the compared hashes; 0: no comparison yet
	Agree      []string        // nodes with the same hash as this one
	Contradict []string        // nodes with another one
}

// witnesses compares the running hash of this node with those of others.
//
// A node cannot know which of two different states is right, so the majority decides: a node
// that at least as many others contradict as agree with, itself included, stops following.
type witnesses struct {
	o    ClusterOptions
	wake chan struct{} // of capacity 1: a witness is wanted

	mu      sync.Mutex // guards all below
	votes   map[notify.Sequence]*votes
	last    WitnessResult
	wanted  notify.Sequence // for which this node should append a witness; 0: none
	written notify.Sequence // for which it has appended the last one
	changed bool            // since then, there were entries that are no witnesses
}

// votes are those of other nodes for one sequence.
type votes struct {
	first time.Time       // when the first one was applied
	agree map[string]bool // by node
}

func newWitnesses(o ClusterOptions) *witnesses {
	return &witnesses{o: o, wake: make(chan struct{}, 1), votes: map[notify.Sequence]*votes{}}
}

func (w *witnesses) result() WitnessResult {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last
}

// applied notes the witnesses among entries, which were just applied.
func (w *witnesses) applied(entries []notify.Stamped, last *received) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, recent := time.Now(), last.arrived.Sub(last.time) < witnessRecent
	for _, e := range entries {
		one, ok := e.Entry.(notify.Witness)
		if !ok {
			w.changed = true
			continue
		}
		if err := w.noteLocked(one, now, recent); err != nil {
			return err
		}
	}
	if latest := w.o.State.LastHash() / witnessEvery * witnessEvery; recent && latest > w.written {
		w.wantLocked(latest)
	}
	return nil
}

// noteLocked notes the vote of another node.
func (w *witnesses) noteLocked(one notify.Witness, now time.Time, recent bool) error {
	if one.Node == w.o.Node {
		return nil
	}
	hash, ok, err := w.o.State.HashAt(one.Sequence)
	if err != nil {
		return fmt.Errorf("compare the running hash: %w", err)
	}
	if !ok || len(w.votes) >= maxVotes && w.votes[one.Sequence] == nil {
		return nil
	}
	v := w.votes[one.Sequence]
	if v == nil {
		v = &votes{first: now, agree: map[string]bool{}}
		w.votes[one.Sequence] = v
	}
	v.agree[one.Node] = one.Hash == hash
	if recent && one.Sequence > w.written {
		w.wantLocked(one.Sequence)
	}
	return nil
}

func (w *witnesses) wantLocked(seq notify.Sequence) {
	w.wanted = max(w.wanted, seq)
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// judge returns an error of kind ErrDiverged if this node is contradicted.
func (w *witnesses) judge(now time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, seq := range slices.Sorted(maps.Keys(w.votes)) {
		v := w.votes[seq]
		if now.Sub(v.first) < judgeAfter {
			continue
		}
		delete(w.votes, seq)
		result := WitnessResult{Sequence: seq}
		for _, node := range slices.Sorted(maps.Keys(v.agree)) {
			if v.agree[node] {
				result.Agree = append(result.Agree, node)
			} else {
				result.Contradict = append(result.Contradict, node)
			}
		}
		w.last = result
		switch against, by := len(result.Contradict), len(result.Agree)+1; {
		case against >= by:
			return fmt.Errorf("%w: at sequence %d, its hash is another one than that of %s, and %d nodes agree with it, itself included; "+
				"move its data directory away, so that it takes a checkpoint of another node, and report this as a bug", ErrDiverged, seq, strings.Join(result.Contradict, ", "), by)
		case against > 0:
			w.o.Logger.Error("the state of other nodes differs from that of this one and of the majority; they should stop following the journal",
				"nodes", result.Contradict, "sequence", uint64(seq))
		}
	}
	return nil
}

// next returns the sequence for which this node should append a witness now, 0 if there is
// none. After witnessTime it is the latest one.
func (w *witnesses) next(late bool) notify.Sequence {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.wanted == 0 && late && w.changed {
		w.wanted = w.o.State.LastHash()
	}
	seq := w.wanted
	w.wanted = 0
	if seq <= w.written {
		return 0
	}
	w.written, w.changed = seq, false
	return seq
}

// witness appends witnesses, and judges those of other nodes, until ctx ends.
func (j *Cluster) witness(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	appended := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-j.witnesses.wake:
		case <-ticker.C:
		}
		if err := j.witnesses.judge(time.Now()); err != nil {
			j.halt(err)
			return
		}
		if seq := j.witnesses.next(time.Since(appended) >= witnessTime); seq > 0 {
			j.appendWitness(ctx, seq)
			appended = time.Now()
		}
	}
}

// appendWitness appends a witness for a sequence. If it fails, the next one will do.
func (j *Cluster) appendWitness(ctx context.Context, seq notify.Sequence) {
	if hash, ok, err := j.o.State.HashAt(seq); err == nil && ok {
		j.Append(ctx, notify.Witness{Node: j.o.Node, Sequence: seq, Hash: hash})
	}
}
