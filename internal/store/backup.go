package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/bellhop/bellhop/internal/archive"
	"github.com/bellhop/bellhop/internal/notify"
)

// A backup is an archive of a checkpoint. Its first file is the manifest, which lists the size
// and the checksum of every other file, so that a reader finds out whether it is complete.

// Backup is a checkpoint in the data directory, from which a backup is written.
type Backup struct {
	Sequence notify.Sequence // of the last entry that it contains

	store *Store
}

// backupDir returns the directory of a backup that is being written: on the disk of the store,
// so that its tables are hard links.
func (s *Store) backupDir() string { return filepath.Join(s.dir, "backup.copy") }

// Backup writes a checkpoint for a backup, as Checkpoint does. The caller must close it before
// it calls Backup again, and before it calls Close of the store.
func (s *Store) Backup(ctx context.Context) (*Backup, error) {
	if err := s.removeBackup(); err != nil {
		return nil, err
	}
	at, err := s.Checkpoint(ctx, s.backupDir())
	if err != nil {
		return nil, errors.Join(err, s.removeBackup())
	}
	return &Backup{Sequence: at, store: s}, nil
}

// Write writes the backup to w. If it fails, w has an incomplete one, which readers refuse.
func (b *Backup) Write(w io.Writer) error { return archive.Write(w, b.store.backupDir()) }

// Close removes the checkpoint.
func (b *Backup) Close() error { return b.store.removeBackup() }

// Sweep removes what backups and restores have left in the data directory because their process was
// killed. No backup may be running.
func (s *Store) Sweep() error {
	if err := errors.Join(s.removeBackup(), s.fs.RemoveAll(restoreDir(s.dir))); err != nil {
		return fmt.Errorf("remove the rest of an interrupted backup or restore: %w", err)
	}
	return nil
}

func (s *Store) removeBackup() error {
	return errors.Join(s.fs.RemoveAll(s.backupDir()), s.fs.RemoveAll(s.backupDir()+".partial"))
}
