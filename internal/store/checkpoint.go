package store

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/bellhop/bellhop/internal/notify"
)

// A checkpoint is a directory with a copy of the store at one sequence:
//
//	store/       Pebble's files
//	checkpoint   the manifest: format, sequence, identity, and the size and checksum of each file
//
// The manifest is written last. The files of one node (lock, ballast, watermark, journal,
// damaged) are not part of a checkpoint.

// ErrCheckpoint says that a directory is not a checkpoint that can be restored.
var ErrCheckpoint = errors.New("not a usable checkpoint")

// Checkpoint writes a copy of the store to dir, which must not exist, and returns the
// sequence of the last entry that the copy contains. That is exactly the state after this
// entry. It contains every entry whose Apply returned before Checkpoint was called, and may
// contain later ones, among them entries that are not durable yet. In a cluster the same is
// true of ApplyAt.
//
// Apply and readers go on meanwhile. Tables are hard links if dir is on the disk of the
// store, so that a checkpoint takes little space at first. All records are read once: corrupt
// data makes Checkpoint fail, and Corrupt reports it. If Checkpoint fails, ctx ends or the
// process is killed, dir does not exist. Checkpoint must return before Close is called.
func (s *Store) Checkpoint(ctx context.Context, dir string) (notify.Sequence, error) {
	last, err := s.checkpoint(ctx, dir)
	if pebble.IsCorruptionError(err) || errors.Is(err, errCorrupt) || errors.Is(err, errDamaged) {
		s.noteCorruption(s.path(), err)
	}
	if err != nil {
		return 0, fmt.Errorf("write the checkpoint %s: %w", dir, err)
	}
	return last, nil
}

func (s *Store) checkpoint(ctx context.Context, dir string) (last notify.Sequence, err error) {
	if err := mustNotExist(s.fs, dir); err != nil {
		return 0, err
	}
	partial := &Store{fs: s.fs, dir: dir + ".partial", log: s.log}
	if err := s.fs.RemoveAll(partial.dir); err != nil { // of a process that was killed
		return 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.fs.RemoveAll(partial.dir))
		}
	}()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	var options []pebble.CheckpointOption
	if s.watermark == nil { // entries of a replicated store may still be on their way to the log
		options = append(options, pebble.WithFlushedWAL())
	}
	if err := s.attempt(func() error { return s.db.Checkpoint(partial.path(), options...) }); err != nil {
		return 0, err
	}
	m, err := partial.describe(func(db *pebble.DB) error { return readAll(ctx, db) })
	if err != nil {
		return 0, err
	}
	if m.Files, err = partial.checksums(ctx); err != nil {
		return 0, err
	}
	if err := writeSynced(s.fs, partial.manifestPath(), m.encode()); err != nil {
		return 0, err
	}
	if err := errors.Join(syncDir(s.fs, partial.path()), syncDir(s.fs, partial.dir)); err != nil {
		return 0, err
	}
	if err := s.fs.Rename(partial.dir, dir); err != nil {
		return 0, err
	}
	return m.Sequence, syncDir(s.fs, filepath.Dir(filepath.Clean(dir)))
}

// RestoreOptions say how to restore a checkpoint.
type RestoreOptions struct {
	// Replayed says that the journal still has the entries after the checkpoint, and that
	// they will be applied again. Then Restore removes the watermark that an earlier store
	// has left in the directory. Otherwise the watermark stays, and Open announces the
	// entries that it covers and the checkpoint lacks as lost.
	Replayed bool

	// Replace replaces an existing store in dir. Restore removes it only after all checks of the
	// checkpoint have passed.
	Replace bool

	// Move moves the files of the checkpoint instead of copying them, so that they take no
	// more space. The checkpoint is not usable afterwards, even if Restore fails.
	Move bool

	// FS replaces the disk in tests; nil is the disk.
	FS vfs.FS
}

// Restore copies a checkpoint into the data directory dir, which must have no store and be
// used by no process, and returns the sequence of the last entry that it contains. Open then
// opens it like any store; entries are applied from the next sequence on.
//
// A checkpoint that is incomplete, damaged or of another format is refused with
// ErrCheckpoint before dir has a store. If Restore fails, ctx ends or the process is
// killed, dir has no store. The checkpoint itself is not changed, and shares no file with
// the store.
func Restore(ctx context.Context, checkpoint, dir string, o RestoreOptions) (notify.Sequence, error) {
	disk := o.FS
	if disk == nil {
		disk = vfs.Default
	}
	m, err := restore(ctx, disk, checkpoint, dir, o)
	if err != nil {
		return 0, fmt.Errorf("restore the checkpoint %s into %s: %w", checkpoint, dir, err)
	}
	return m.Sequence, nil
}

func restore(ctx context.Context, disk vfs.FS, checkpoint, dir string, o RestoreOptions) (m manifest, err error) {
	from, to := &Store{fs: disk, dir: checkpoint}, &Store{fs: disk, dir: dir}
	if m, err = from.readManifest(); err != nil {
		return m, err
	}
	if files, err := disk.List(to.path()); err == nil && len(files) > 0 && !o.Replace {
		return m, fmt.Errorf("%s is not empty: %w", to.path(), fs.ErrExist)
	}
	partial := &Store{fs: disk, dir: filepath.Join(dir, "restore.partial")}
	if err := errors.Join(disk.RemoveAll(partial.dir), partial.makeDir()); err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, disk.RemoveAll(partial.dir)) }()
	if err := from.transfer(ctx, m, partial, o.Move); err != nil {
		return m, err
	}
	found, err := partial.describe()
	switch {
	case err != nil:
		return m, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	case found.Sequence != m.Sequence || found.Identity != m.Identity:
		return m, fmt.Errorf("%w: its files end at sequence %d, and its manifest says %d", ErrCheckpoint, found.Sequence, m.Sequence)
	}
	if err := to.clear(o); err != nil {
		return m, err
	}
	if err := disk.Rename(partial.path(), to.path()); err != nil {
		return m, err
	}
	return m, errors.Join(removeFile(disk, damagedPath(dir)), syncDir(disk, dir))
}

// clear removes the files of an earlier store from the data directory of s: the watermark if the
// entries are replayed, and the store if it is replaced.
func (s *Store) clear(o RestoreOptions) error {
	if o.Replayed {
		if err := removeFile(s.fs, watermarkPath(s.dir)); err != nil {
			return err
		}
	}
	if !o.Replace {
		return nil
	}
	unlock, err := s.lockExisting()
	if err != nil {
		return err
	}
	return errors.Join(s.fs.RemoveAll(s.path()), unlock())
}

// transfer copies or moves the files of m into another directory, after comparing each with m.
func (s *Store) transfer(ctx context.Context, m manifest, to *Store, move bool) error {
	if !move {
		return s.copyFiles(ctx, m, to)
	}
	if err := s.copyFiles(ctx, m, nil); err != nil {
		return err
	}
	return errors.Join(s.fs.RemoveAll(to.path()), s.fs.Rename(s.path(), to.path()), syncDir(s.fs, to.dir))
}

// describe opens the files of s without changing them, checks that they are a whole store,
// calls also, and returns a manifest without a list of files.
func (s *Store) describe(also ...func(*pebble.DB) error) (m manifest, err error) {
	opts := readOnly(&pebble.Options{FS: s.fs, Lock: s.lock, Merger: merger(), Logger: quiet{}})
	db, err := pebble.Open(s.path(), opts)
	if err != nil {
		return m, err
	}
	m, err = describeDB(db)
	err = errors.Join(err, s.check(db))
	for _, f := range also {
		err = errors.Join(err, f(db))
	}
	return m, errors.Join(err, db.Close())
}

// readAll reads every record, and with it the checksum of every block.
func readAll(ctx context.Context, db *pebble.DB) error {
	return each(db, nil, nil, func(_, _ []byte) (bool, error) { return true, ctx.Err() })
}

// checksums returns the list of all files of s for a manifest, with their checksums.
func (s *Store) checksums(ctx context.Context) (files []manifestFile, err error) {
	names, err := s.dataFiles()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		f := manifestFile{Name: name}
		if f.Bytes, f.CRC, err = s.copyFile(ctx, name, io.Discard); err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

func describeDB(db *pebble.DB) (m manifest, err error) {
	format, err := get(db, []byte{kindFormat})
	if err != nil {
		return m, err
	}
	if err := checkFormat(format); err != nil {
		return m, err
	}
	st, err := readStateOf(db)
	if err != nil {
		return m, err
	}
	id, err := get(db, []byte{kindIdentity})
	if err == nil && len(id) != len(identity{}) {
		err = errCorrupt
	}
	p, _, positionErr := readPosition(db)
	return manifest{
		Format: formatVersion, Sequence: st.last, Identity: hex.EncodeToString(id), Journal: p.Journal, Message: p.Message,
	}, errors.Join(err, positionErr)
}

// quiet discards the log messages of Pebble about a copy of a store.
type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}

// Fatalf must not return. Pebble calls it for failed writes only, and a copy is opened read-only.
func (quiet) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// dataFiles returns the names of Pebble's files, without the lock.
func (s *Store) dataFiles() ([]string, error) {
	names, err := s.fs.List(s.path())
	slices.Sort(names)
	return slices.DeleteFunc(names, func(name string) bool { return name == "LOCK" }), err
}

// copyFiles compares the files of m with it, and copies them into another directory, unless
// that is nil.
func (s *Store) copyFiles(ctx context.Context, m manifest, to *Store) error {
	names, err := s.dataFiles()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	for _, name := range names {
		if !slices.ContainsFunc(m.Files, func(f manifestFile) bool { return f.Name == name }) {
			return fmt.Errorf("%w: its manifest does not list the file %s", ErrCheckpoint, name)
		}
	}
	for _, want := range m.Files {
		if err := want.check(); err != nil {
			return err
		}
		n, crc, err := s.copyFileTo(ctx, want.Name, to)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: its file %s is missing", ErrCheckpoint, want.Name)
		}
		if err != nil {
			return err
		}
		if n != want.Bytes || crc != want.CRC {
			return fmt.Errorf("%w: its file %s is damaged", ErrCheckpoint, want.Name)
		}
	}
	if to == nil {
		return nil
	}
	return syncDir(to.fs, to.path())
}

// copyFileTo copies one of Pebble's files into another directory, unless that is nil, and
// returns its size and checksum.
func (s *Store) copyFileTo(ctx context.Context, name string, to *Store) (n int64, crc uint32, err error) {
	if to == nil {
		return s.copyFile(ctx, name, io.Discard)
	}
	f, err := to.fs.Create(filepath.Join(to.path(), name), vfs.WriteCategoryUnspecified)
	if err != nil {
		return 0, 0, err
	}
	n, crc, err = s.copyFile(ctx, name, f)
	return n, crc, errors.Join(err, f.Sync(), f.Close())
}

// copyBytes is the size of the pieces in which files are read: ctx is checked before each.
const copyBytes = 1 << 20

// copyFile writes one of Pebble's files to w, and returns its size and checksum.
func (s *Store) copyFile(ctx context.Context, name string, w io.Writer) (n int64, crc uint32, err error) {
	f, err := s.fs.Open(filepath.Join(s.path(), name), vfs.SequentialReadsOption)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	w = io.MultiWriter(sum, w) // sum comes first: w may overwrite its argument
	for {
		if err := ctx.Err(); err != nil {
			return n, 0, err
		}
		copied, err := io.CopyN(w, f, copyBytes)
		n += copied
		if errors.Is(err, io.EOF) {
			return n, sum.Sum32(), nil
		}
		if err != nil {
			return n, 0, err
		}
	}
}

func mustNotExist(disk vfs.FS, path string) error {
	switch _, err := disk.Stat(path); {
	case err == nil:
		return fs.ErrExist
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return nil
}

func writeSynced(disk vfs.FS, path string, b []byte) error {
	f, err := disk.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Sync(), f.Close())
}
