package store

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// restoreDir returns the directory in which a backup is unpacked. Only when all of it was checked
// and is durable, its store becomes that of the data directory.
func restoreDir(dir string) string { return filepath.Join(dir, "restore.backup") }

// leftovers are names in a data directory that do not count as content: those of restores that
// were interrupted, and one that some file systems make.
func leftovers() []string { return []string{"restore.backup", "restore.partial", "lost+found"} }

// RestoreBackup restores a backup into the data directory dir, which must be empty or not exist.
// A backup that is incomplete, damaged or of another format is refused with ErrCheckpoint. If
// RestoreBackup fails, or ctx ends, dir is as it was before. If the process is killed, dir has no
// store, and RestoreBackup can be called again; until then, Open refuses the directory.
//
// Cursors of entries that the backup has stay valid. Later ones, which the lost store has issued,
// are answered with a reset, because the next generation begins after the backup.
func RestoreBackup(ctx context.Context, r io.Reader, dir string, progress Progress) (BackupContents, error) {
	u := &unpacking{dir: dir, disk: vfs.Default}
	b := backupReader{ctx: ctx, progress: progress, to: u}
	err := b.read(r)
	if err == nil {
		err = u.sync()
	}
	if err == nil {
		_, err = Restore(ctx, u.copyDir(), dir, RestoreOptions{Move: true})
	}
	if err == nil {
		err = u.writeWatermark(b.manifest)
	}
	if err = errors.Join(err, u.end(err != nil)); err != nil {
		return BackupContents{}, fmt.Errorf("restore the backup into %s: %w", dir, err)
	}
	return b.contents(), nil
}

// unpacking writes the files of a backup into a directory within the data directory.
type unpacking struct {
	disk vfs.FS
	dir  string // data directory
	made bool   // it did not exist
	lock *pebble.Lock
}

func (u *unpacking) copyDir() string { return filepath.Join(restoreDir(u.dir), "copy") }

// begin checks that the data directory is empty and its disk has enough space, and writes the
// manifest.
func (u *unpacking) begin(manifest []byte, bytes int64) error {
	switch err := os.Mkdir(u.dir, 0o700); {
	case err == nil:
		u.made = true
	case !errors.Is(err, fs.ErrExist):
		return err
	}
	if err := u.checkEmpty(); err != nil {
		return err
	}
	if err := u.disk.MkdirAll(restoreDir(u.dir), 0o700); err != nil {
		return err
	}
	lock, err := pebble.LockDirectory(restoreDir(u.dir), u.disk)
	if err != nil {
		return fmt.Errorf("another restore into the directory is running: %w", err)
	}
	u.lock = lock
	copied := &Store{fs: u.disk, dir: u.copyDir()}
	if err := errors.Join(u.disk.RemoveAll(copied.dir), copied.makeDir()); err != nil { // of a process that was killed
		return err
	}
	if usage, err := u.disk.GetDiskUsage(u.dir); err == nil && usage.AvailBytes < uint64(max(0, bytes)) {
		return fmt.Errorf("the store has %d bytes, and the disk has %d bytes free", bytes, usage.AvailBytes)
	}
	return writeSynced(u.disk, copied.manifestPath(), manifest)
}

func (u *unpacking) checkEmpty() error {
	names, err := u.disk.List(u.dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if !slices.Contains(leftovers(), name) {
			return fmt.Errorf("the directory is not empty, it has %s: %w", name, fs.ErrExist)
		}
	}
	return nil
}

// create creates a file that is durable when it was closed.
func (u *unpacking) create(name string) (io.WriteCloser, error) {
	f, err := u.disk.Create(filepath.Join(u.copyDir(), "store", name), vfs.WriteCategoryUnspecified)
	return syncedFile{f}, err
}

type syncedFile struct{ vfs.File }

// Close is of io.Closer.
func (f syncedFile) Close() error { return errors.Join(f.Sync(), f.File.Close()) }

// sync makes the names of the files, and that of the data directory, survive a power cut.
func (u *unpacking) sync() error {
	return errors.Join(syncDir(u.disk, filepath.Join(u.copyDir(), "store")), syncDir(u.disk, filepath.Dir(filepath.Clean(u.dir))))
}

// writeWatermark writes the watermark of the restored store, so that Open can notice from the first
// start on that entries are missing. If that fails, it removes the store.
func (u *unpacking) writeWatermark(m manifest) error {
	own, err := hex.DecodeString(m.Identity)
	if err == nil && len(own) != len(identity{}) {
		err = errCorrupt
	}
	if err == nil {
		w := watermark{now: slot{store: identity(own), last: m.Sequence}}
		err = errors.Join(w.open(u.disk, u.dir), w.close())
	}
	if err == nil {
		return nil
	}
	restored := &Store{fs: u.disk, dir: u.dir}
	return errors.Join(fmt.Errorf("write the watermark: %w", err),
		u.disk.RemoveAll(restored.path()), u.disk.RemoveAll(watermarkPath(u.dir)))
}

// end removes what unpacking has left.
func (u *unpacking) end(failed bool) error {
	var err error
	if u.lock != nil {
		err = errors.Join(u.disk.RemoveAll(restoreDir(u.dir)), u.lock.Close())
	}
	if failed && u.made {
		err = errors.Join(err, os.Remove(u.dir))
	}
	return err
}

// checkRestored refuses a data directory in which a restore was interrupted: an empty store would
// take the place of the one that was to be restored.
func (s *Store) checkRestored() error {
	if isBegun := exists(s.fs, restoreDir(s.dir)); !isBegun || exists(s.fs, s.path()) {
		return nil
	}
	return fmt.Errorf("a restore into %s was interrupted: run bellhop restore again, or remove %s to begin with an empty store",
		s.dir, restoreDir(s.dir))
}

func exists(disk vfs.FS, path string) bool { return mustNotExist(disk, path) != nil }
