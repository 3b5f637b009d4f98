package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// replica is the store of a node of a cluster: a copy of what the journal adds up to, in a
// directory of its own.
type replica struct {
	dir         string
	openStream  func(ctx context.Context, mustExist bool) (journal.StreamInfo, error)
	checkpoints *journal.Checkpoints
	permitted   func(context.Context) error // nil if NATS permits everything that a node does
	leave       func()                      // connects to another NATS server
	logger      *slog.Logger

	waiting atomic.Pointer[error] // why the store is not open yet; nil: it is
}

// retryEvery is the interval at which a node that cannot follow the journal looks whether it
// can. When a restore has failed, for instance on a full disk, the interval grows up to
// maxRestoreWait, since each attempt reads the whole checkpoint.
//
// A NATS server through which the journal cannot be reached for leaveAfter is left for another
// one: it may be cut off from the majority.
const (
	retryEvery     = time.Second
	leaveAfter     = 10 * time.Second
	maxRestoreWait = time.Minute
)

// errRestore says that no checkpoint could be restored. The reason may name files, so that only
// the log has it.
var errRestore = notify.Unavailable(notify.CauseStore, "no checkpoint can be restored; the log of this node has the reason")

// Files in the data directory.
const (
	downloadDir    = "checkpoint.partial"
	recoveringFile = "recovering"
)

// ready returns why the store is not open yet, or nil.
func (r *replica) ready() error {
	if err := r.waiting.Load(); err != nil {
		return *err
	}
	return nil
}

// open opens the store when it can follow the journal. It restores a checkpoint if need be.
// While the servers cannot be reached, another node has something to do, or an operator has, it
// waits, and says why in the log and in ready. It returns an error only if the store cannot be used, or
// ctx ends.
func (r *replica) open(ctx context.Context, o store.Options) (*store.Store, error) {
	o.Replicated = true
	arrived := time.Now() // at the present NATS server
	for wait := retryEvery; ; {
		s, err := r.tryOpen(ctx, o)
		if err == nil {
			r.waiting.Store(nil)
			return s, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err() //nolint:wrapcheck // interrupted, whatever else the attempt has found
		}
		if isFinal(err) {
			return nil, err
		}
		r.wait(err)
		switch {
		case !isUnreachable(err):
			arrived = time.Now()
		case time.Since(arrived) >= leaveAfter:
			r.leave()
			arrived = time.Now()
		}
		if errors.Is(err, errRestore) {
			wait = min(2*wait, maxRestoreWait)
		} else {
			wait = retryEvery
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err() //nolint:wrapcheck // interrupted, and nothing more
		case <-time.After(wait):
		}
	}
}

// isFinal reports whether another attempt would fail in the same way: another process has the store, or
// another version has written it. A checkpoint that another version has written is followed by others.
func isFinal(err error) bool {
	return errors.Is(err, store.ErrInUse) || errors.Is(err, store.ErrFormat) && !errors.Is(err, errRestore)
}

// wait notes why the store is not open yet, and logs a reason once.
func (r *replica) wait(err error) {
	err = explained(err)
	if before := r.waiting.Swap(&err); before == nil || (*before).Error() != err.Error() {
		r.logger.Warn("this node cannot follow the journal yet; it is not ready", "data_dir", r.dir, "reason", err)
	}
}

func (r *replica) tryOpen(ctx context.Context, o store.Options) (*store.Store, error) {
	if err := r.permitted(ctx); err != nil {
		return nil, unreachableError{err}
	}
	f, err := r.facts(ctx)
	if err != nil {
		return nil, err
	}
	d := decide(f)
	if err := r.carryOut(ctx, d, f); err != nil {
		return nil, err
	}
	s, err := store.Open(r.dir, o)
	if err != nil {
		return nil, err
	}
	if d.action == adopt {
		err = s.Adopt(f.stream.Journal)
	}
	if err == nil { // only now: a record says that the store can be made again
		err = store.RecordJournal(r.dir, f.stream.Journal, nil)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	r.logger.Info("the store follows the journal", "journal", f.stream.Journal, "message", s.Position().Message, "sequence", uint64(s.Last()),
		"by", string(d.action))
	return s, nil
}

// Reasons why a store is not open, for operators. Only the log has the error, which may name
// files.
var (
	errOpen       = notify.Unavailable(notify.CauseStore, "the store cannot be opened; the log of this node has the reason")
	errNewerRules = notify.Unavailable(notify.CauseStore, "the store follows newer rules than this program has; start a newer program on this node")
)

// explained adds a reason for operators to an error that has none.
func explained(err error) error {
	switch {
	case errors.Is(err, notify.ErrUnavailable):
		return err
	case errors.Is(err, store.ErrNewerRules):
		return fmt.Errorf("%w: %w", errNewerRules, err)
	default:
		return fmt.Errorf("%w: %w", errOpen, err)
	}
}

// facts asks for everything that the decision depends on.
func (r *replica) facts(ctx context.Context) (f facts, err error) {
	switch _, err := os.Stat(filepath.Join(r.dir, recoveringFile)); {
	case err == nil:
		f.recovering = true
	case !errors.Is(err, fs.ErrNotExist):
		return f, err
	}
	local, err := store.Inspect(r.dir, nil)
	if err != nil {
		return f, fmt.Errorf("inspect the store in %s: %w", r.dir, err)
	}
	recovering := f.recovering
	f, err = r.factsAbout(ctx, local)
	f.recovering = recovering
	return f, err
}

// factsAbout asks the servers for everything that the decision about a store depends on.
func (r *replica) factsAbout(ctx context.Context, local store.Contents) (f facts, err error) {
	f.local = local
	if f.stream, err = r.openStream(ctx, f.local.Journal != ""); err != nil {
		return f, unreachableError{err}
	}
	if f.origin, err = r.checkpoints.Origin(ctx, f.stream.Journal); err != nil && !errors.Is(err, journal.ErrNoOrigin) {
		return f, unreachableError{err}
	}
	all, err := r.checkpoints.List(ctx, "")
	if err != nil {
		return f, unreachableError{err}
	}
	for _, cp := range all {
		if cp.Journal == f.stream.Journal {
			f.checkpoints = append(f.checkpoints, cp)
		} else {
			f.others = append(f.others, cp)
		}
	}
	return f, nil
}

// unreachableError is an error of the journal or its checkpoints. It is of kind
// notify.ErrUnavailable, so that operators find its text in /readyz.
type unreachableError struct{ error }

// Unwrap returns the error, and one with its kind and its text.
func (e unreachableError) Unwrap() []error {
	return []error{notify.Unavailable(notify.CauseJournal, "this node cannot follow its journal: %v", e.error), e.error}
}

// isUnreachable reports whether another NATS server may reach the journal.
func isUnreachable(err error) bool {
	return errors.As(err, &unreachableError{}) && !errors.Is(err, journal.ErrStream) && !errors.Is(err, journal.ErrNoStream) && !errors.Is(err, journal.ErrPermissions)
}

// carryOut does what was decided, up to opening the store.
func (r *replica) carryOut(ctx context.Context, d decision, f facts) error {
	switch d.action {
	case follow:
		return nil
	case adopt:
		r.logger.Info("the store becomes the beginning of a cluster", "sequence", uint64(f.local.Sequence), "journal", f.stream.Journal)
		return r.claim(ctx, f.stream.Journal, originOf(f.local))
	case begin:
		if err := r.claim(ctx, f.stream.Journal, journal.OriginEmpty); err != nil {
			return err
		}
		if f.local.Damage == nil {
			return nil
		}
		r.logger.Warn("the damaged store is removed; the journal has everything", "reason", d.why)
		return store.Remove(r.dir, nil)
	case restore:
		r.logger.Info("a checkpoint replaces the store", "reason", d.why)
		return r.restore(ctx, d.checkpoints, f.stream.First)
	default: // wait, refuse
		return notify.Unavailable(notify.CauseJournal, "%s", d.why)
	}
}

// claim records the origin of a journal. If another node was faster, everything has to be
// decided anew.
func (r *replica) claim(ctx context.Context, of, origin string) error {
	recorded, err := r.checkpoints.ClaimOrigin(ctx, of, origin)
	if err == nil && recorded != origin {
		err = notify.Unavailable(notify.CauseJournal, "another node has begun the journal at the same time")
	}
	return err
}

// restore replaces the store by the newest good checkpoint.
func (r *replica) restore(ctx context.Context, all []journal.Checkpoint, first uint64) error {
	var errs []error
	for _, cp := range all {
		if cp.Position+1 < first {
			break
		}
		err := r.restoreOne(ctx, cp)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
		if !errors.Is(err, journal.ErrNoCheckpoint) && !errors.Is(err, store.ErrCheckpoint) {
			break
		}
		r.logger.Error("a checkpoint cannot be used", "position", cp.Position, "written", cp.Written, "error", err)
	}
	return fmt.Errorf("%w: %w", errRestore, errors.Join(errs...))
}

func (r *replica) restoreOne(ctx context.Context, cp journal.Checkpoint) error {
	restoring := notify.Unavailable(notify.CauseStarting, "this node restores the checkpoint of sequence %d", cp.Sequence)
	r.waiting.Store(&restoring)
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return err
	}
	download := filepath.Join(r.dir, downloadDir)
	if err := os.RemoveAll(download); err != nil { // of a process that was killed
		return err
	}
	if err := r.checkpoints.Restore(ctx, cp, download); err != nil {
		return err
	}
	found, err := store.InspectCheckpoint(download)
	if err == nil && (found.Journal != cp.Journal || found.Message != cp.Position) {
		err = fmt.Errorf("%w: it contains message %d of the journal %s", store.ErrCheckpoint, found.Message, found.Journal)
	}
	if err == nil {
		_, err = store.Restore(ctx, download, r.dir, store.RestoreOptions{Replayed: true, Replace: true, Move: true})
	}
	return errors.Join(err, os.RemoveAll(download))
}
