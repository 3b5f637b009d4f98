package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/bellhop/bellhop/internal/notify"
)

// Contents describes a store that is not open: that of a data directory, or a checkpoint.
type Contents struct {
	Exists   bool
	Identity string          // of the store
	Sequence notify.Sequence // of the last entry applied

	// Journal and Message are the position in the journal of a cluster, if the store
	// follows one. If the store is damaged, Journal is the one that RecordJournal recorded.
	Journal string
	Message uint64

	// Damage says why the store cannot be used; nil: nothing was found.
	Damage error
}

// Inspect describes the store in a data directory, without changing it. Its error is ErrInUse,
// ErrFormat, or one of the disk. A nil disk is that of the machine.
func Inspect(dir string, disk vfs.FS) (c Contents, err error) {
	if disk == nil {
		disk = vfs.Default
	}
	s := &Store{fs: disk, dir: dir}
	if err := s.checkRestored(); err != nil {
		return Contents{}, err
	}
	if files, err := s.dataFiles(); errors.Is(err, fs.ErrNotExist) || err == nil && len(files) == 0 {
		return Contents{}, nil
	}
	unlock, err := s.lockExisting()
	if err != nil {
		return Contents{}, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	c, err = s.contents()
	if err != nil && isDamage(err) {
		c, err = Contents{Exists: true, Damage: err}, nil
	}
	if err == nil && mustNotExist(disk, damagedPath(dir)) != nil {
		c.Damage = errors.Join(c.Damage, fmt.Errorf("%w: corrupt data was found while it was open", errDamaged))
	}
	if err == nil && c.Damage != nil {
		c.Journal, err = readFile(disk, journalPath(dir))
	}
	return c, err
}

// contents describes the files of s.
func (s *Store) contents() (Contents, error) {
	desc, err := pebble.Peek(s.path(), s.fs)
	if err != nil {
		return Contents{}, err
	}
	if !desc.Exists {
		return Contents{}, s.noData("the marker of its MANIFEST is missing", ".sst", ".blob", ".log")
	}
	m, err := s.describe()
	if err != nil {
		return Contents{}, err
	}
	return m.contents(), nil
}

func (m manifest) contents() Contents {
	return Contents{Exists: true, Identity: m.Identity, Sequence: m.Sequence, Journal: m.Journal, Message: m.Message}
}

// InspectCheckpoint describes a checkpoint by its manifest.
func InspectCheckpoint(dir string) (Contents, error) {
	s := &Store{fs: vfs.Default, dir: dir}
	m, err := s.readManifest()
	if err != nil {
		return Contents{}, fmt.Errorf("read the checkpoint %s: %w", dir, err)
	}
	return m.contents(), nil
}

// lockExisting locks a store that exists. If it does not, there is nothing to lock.
func (s *Store) lockExisting() (unlock func() error, err error) {
	if err := mustNotExist(s.fs, s.path()); err == nil {
		return func() error { return nil }, nil
	}
	if err := s.acquireLock(); err != nil {
		return nil, err
	}
	return s.lock.Close, nil
}

// journalPath returns the path of the file with the identity of the journal that the store
// follows. If the store is damaged, this file still says that the store is a copy, and of which
// journal.
func journalPath(dir string) string { return filepath.Join(dir, "journal") }

// damagedPath returns the path of an empty file, which exists if corrupt data was found in a
// replicated store.
func damagedPath(dir string) string { return filepath.Join(dir, "damaged") }

// RecordJournal records in a data directory that its store is a copy of a journal and can be
// rebuilt from it. Opening the store alone removes the record.
func RecordJournal(dir, journal string, disk vfs.FS) error {
	if disk == nil {
		disk = vfs.Default
	}
	s := &Store{fs: disk, dir: dir}
	if recorded, err := readFile(disk, journalPath(dir)); err == nil && recorded == journal {
		return nil
	}
	err := s.makeDir()
	if err == nil {
		err = errors.Join(writeSynced(disk, journalPath(dir), []byte(journal)), syncDir(disk, dir))
	}
	if err != nil {
		return fmt.Errorf("record the journal of the store: %w", err)
	}
	return nil
}

// Remove removes a store that is not open, and leaves the rest of the data directory.
func Remove(dir string, disk vfs.FS) error {
	if disk == nil {
		disk = vfs.Default
	}
	s := &Store{fs: disk, dir: dir}
	unlock, err := s.lockExisting()
	if err != nil {
		return err
	}
	if err := errors.Join(disk.RemoveAll(s.path()), removeFile(disk, damagedPath(dir)), unlock()); err != nil {
		return fmt.Errorf("remove the store in %s: %w", dir, err)
	}
	return syncDir(disk, dir)
}

// noteCorruption notes corrupt data in the open store. In a cluster, the next Inspect reports
// it, so that a checkpoint replaces the store; otherwise an operator has to restore a backup.
func (s *Store) noteCorruption(path string, details error) {
	err := fmt.Errorf("data corruption: %w", details)
	first := s.corrupt.Swap(&err) == nil
	if !s.replicated {
		s.log.Error("corrupt data in the store; restore the data directory from a backup", "path", path, "error", details)
		return
	}
	s.log.Error("corrupt data in the store; a checkpoint will replace it", "path", path, "error", details)
	if !first {
		return
	}
	if err := writeSynced(s.fs, damagedPath(s.dir), nil); err != nil {
		s.log.Warn("damage of the store cannot be recorded; the next start may use the damaged store", "error", err)
	}
}

// Fork makes the store the beginning of another journal: its first message is applied to it.
// All generations are forgotten, so that every cursor is answered with a reset. That is durable
// when Fork returns. It must be called before the first ApplyAt.
func (s *Store) Fork(journal string) error {
	if err := s.leave(); err != nil {
		return fmt.Errorf("leave the journal: %w", err)
	}
	err := s.db.DeleteRange([]byte{kindGeneration}, endOfKind(kindGeneration), pebble.Sync)
	if err != nil {
		return fmt.Errorf("forget the generations: %w", err)
	}
	return s.Adopt(journal)
}

// readFile returns the content of a file; empty: no such file.
func readFile(disk vfs.FS, path string) (string, error) {
	f, err := disk.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(f)
	return string(b), errors.Join(err, f.Close())
}

// removeFile removes a file, if it exists.
func removeFile(disk vfs.FS, path string) error {
	if err := disk.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	return nil
}
