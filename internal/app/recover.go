package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// recovery makes the store of one node the beginning of a new journal, after the journal of the
// cluster was lost or damaged. Everything that only the old journal has is given up. All
// cursors are answered with a reset.
//
// It can be interrupted at any point, and is continued when it is run again: the identities are
// in a file of the data directory, and each step can be repeated.
type recovery struct {
	*replica
	replaceStream func(ctx context.Context, identity string, recoveredFrom []string) error
	node          string
	force         bool // also if nodes follow the journal

	plan recoveryPlan
}

// recoveryPlan is the content of the file.
type recoveryPlan struct {
	To   string   `json:"to"`   // identity of the new journal
	From []string `json:"from"` // identities of the journals that it replaces
}

// Errors of a recovery that are up to the operator.
var (
	errFollowed = errors.New("nodes follow the journal, so it is not lost; stop all nodes first")
	errNoStore  = errors.New("there is neither a store in the data directory nor a checkpoint; run this on another node")
)

// RecoverOptions are the options of Recover.
type RecoverOptions struct {
	// Confirmed says that the operator accepts what is lost. Otherwise nothing is changed.
	Confirmed bool

	// Force recovers a journal that nodes follow.
	Force bool

	Logger *slog.Logger
}

// Recovery describes what a recovery begins with, or would begin with.
type Recovery struct {
	Done       bool
	Sequence   notify.Sequence     // of the last entry
	Journal    string              // identity of the lost journal; empty: the store was used without a cluster
	Message    uint64              // of that journal, the last one applied
	Stream     journal.StreamInfo  // zero: there is none
	Checkpoint *journal.Checkpoint // the newest one, if there is no usable store
}

// Recover makes the store in the data directory the beginning of a new journal, after the
// journal of the cluster was lost. No process may use the data directory.
func Recover(ctx context.Context, cfg *config.Config, o RecoverOptions) (Recovery, error) {
	conn, closeConn, err := journal.Connect(journal.ConnOptions{
		URLs: cfg.NATSURL, CredentialsFile: cfg.NATSCredentialsFile, CAFile: cfg.NATSCAFile, Node: "recover", Logger: o.Logger,
	})
	if err != nil {
		return Recovery{}, &SettingsError{err}
	}
	defer closeConn()
	checkpoints, err := journal.NewCheckpoints(conn, journal.CheckpointOptions{Stream: cfg.NATSStream, Replicas: cfg.Replicas, Logger: o.Logger})
	if err != nil {
		return Recovery{}, err
	}
	stream := journal.StreamOptions{Conn: conn, Name: cfg.NATSStream, Replicas: cfg.Replicas, MustExist: true}
	r := &recovery{
		replica: &replica{
			dir: cfg.DataDir, checkpoints: checkpoints, logger: o.Logger,
			openStream: func(ctx context.Context, _ bool) (journal.StreamInfo, error) { return journal.OpenStream(ctx, stream) },
		},
		replaceStream: func(ctx context.Context, identity string, recoveredFrom []string) error {
			return journal.ReplaceStream(ctx, stream, identity, recoveredFrom)
		},
		node: (&node{cfg: cfg}).nodeName(), force: o.Force,
	}
	found, err := r.preview(ctx)
	if err != nil || !o.Confirmed {
		return found, err
	}
	begins, err := r.run(ctx)
	found.Done, found.Sequence = err == nil, begins.Sequence
	return found, err
}

// preview returns what a recovery would begin with.
func (r *recovery) preview(ctx context.Context) (found Recovery, err error) {
	local, err := store.Inspect(r.dir, nil)
	if err != nil {
		return found, fmt.Errorf("inspect the store in %s: %w", r.dir, err)
	}
	if found.Stream, err = r.openStream(ctx, true); err != nil && !errors.Is(err, journal.ErrNoStream) {
		return found, err
	}
	found.Sequence, found.Journal, found.Message = local.Sequence, local.Journal, local.Message
	if local.Exists && local.Damage == nil {
		return found, nil
	}
	all, err := r.newest(ctx)
	if err == nil && len(all) == 0 {
		err = errors.Join(errNoStore, local.Damage)
	}
	if err != nil {
		return found, err
	}
	found.Checkpoint, found.Sequence, found.Journal, found.Message = &all[0], all[0].Sequence, all[0].Journal, all[0].Position
	return found, nil
}

// newest returns the checkpoints of all journals that the stream has had, the newest first.
func (r *recovery) newest(ctx context.Context) ([]journal.Checkpoint, error) {
	all, err := r.checkpoints.List(ctx, "")
	slices.SortStableFunc(all, func(a, b journal.Checkpoint) int { return b.Written.Compare(a.Written) })
	return all, err
}

// run recovers the journal, and returns what the new one begins with.
func (r *recovery) run(ctx context.Context) (store.Contents, error) {
	if err := r.begin(ctx); err != nil {
		return store.Contents{}, err
	}
	begins, err := r.fork(ctx)
	if err != nil {
		return begins, fmt.Errorf("%w; run the command again to continue", err)
	}
	if err := r.replaceStream(ctx, r.plan.To, r.plan.From); err != nil {
		return begins, fmt.Errorf("%w; run the command again to continue", err)
	}
	for _, lost := range r.plan.From {
		if err := r.checkpoints.Prune(ctx, lost, 0); err != nil {
			r.logger.Warn("old checkpoints cannot be deleted", "journal", lost, "error", err)
		}
	}
	return begins, os.Remove(r.planFile())
}

func (r *recovery) planFile() string { return filepath.Join(r.dir, recoveringFile) }

// begin checks that there is something to recover from, and writes the plan, or reads that of
// an interrupted recovery.
func (r *recovery) begin(ctx context.Context) error {
	b, err := os.ReadFile(r.planFile())
	if err == nil && json.Unmarshal(b, &r.plan) == nil && r.plan.To != "" {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	stream, err := r.openStream(ctx, true)
	if err != nil && !errors.Is(err, journal.ErrNoStream) {
		return err
	}
	if stream.Consumers > 0 && !r.force {
		return errFollowed
	}
	local, err := r.chooseStore(ctx)
	if err != nil {
		return err
	}
	r.logger.Info("the journal is recovered from the store", "sequence", uint64(local.Sequence), "message", local.Message, "journal", local.Journal,
		"stream", stream.Journal, "first", stream.First, "last", stream.Last)
	r.plan.To = journal.NewIdentity()
	for _, id := range append(strings.Split(stream.RecoveredFrom, ","), stream.Journal, local.Journal) {
		if id != "" && !slices.Contains(r.plan.From, id) {
			r.plan.From = append(r.plan.From, id)
		}
	}
	if b, err = json.Marshal(r.plan); err != nil {
		return err
	}
	return writeSynced(r.planFile(), b)
}

// chooseStore returns the store of the data directory. If there is none, or a damaged one, it
// restores the newest checkpoint.
func (r *recovery) chooseStore(ctx context.Context) (store.Contents, error) {
	local, err := store.Inspect(r.dir, nil)
	if err != nil {
		return local, fmt.Errorf("inspect the store in %s: %w", r.dir, err)
	}
	if local.Exists && local.Damage == nil {
		return local, nil
	}
	if local.Damage != nil && local.Journal == "" {
		return local, fmt.Errorf("the store in %s is damaged, and it is not a copy of a journal: %w", r.dir, local.Damage)
	}
	all, err := r.newest(ctx)
	if err == nil && len(all) == 0 {
		err = errors.Join(errNoStore, local.Damage)
	}
	if err != nil {
		return local, err
	}
	if err := r.restore(ctx, all, 0); err != nil {
		return local, err
	}
	return store.Inspect(r.dir, nil)
}

// fork makes the store follow the new journal, and uploads it as the first checkpoint of that.
func (r *recovery) fork(ctx context.Context) (begins store.Contents, err error) {
	s, err := store.Open(r.dir, store.Options{Logger: r.logger, Replicated: true, Fatal: func(err error) { panic(err) }})
	if err != nil {
		return begins, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.Fork(r.plan.To); err != nil {
		return begins, err
	}
	if err := store.RecordJournal(r.dir, r.plan.To, nil); err != nil {
		return begins, err
	}
	dir := filepath.Join(r.dir, writeDir)
	if err := os.RemoveAll(dir); err != nil { // of a process that was killed
		return begins, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if _, err := s.Checkpoint(ctx, dir); err != nil {
		return begins, err
	}
	if begins, err = store.InspectCheckpoint(dir); err != nil {
		return begins, err
	}
	if _, err := r.checkpoints.ClaimOrigin(ctx, r.plan.To, originOf(begins)); err != nil {
		return begins, err
	}
	_, err = r.checkpoints.Write(ctx, dir, journal.Checkpoint{Journal: r.plan.To, Sequence: begins.Sequence, Node: r.node})
	return begins, err
}

// writeSynced writes a file that survives a power cut.
func writeSynced(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // in the data directory
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}
