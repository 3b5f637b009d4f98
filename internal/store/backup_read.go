package store

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"

	"github.com/bellhop/bellhop/internal/archive"
)

// maxManifest is the size of the manifest of a backup: it has some 70 bytes for each table.
const maxManifest = 32 << 20

// BackupContents describes a backup.
type BackupContents struct {
	Contents

	Bytes int64 // of the restored store
}

// Progress is called while a backup is read, with the number of bytes of the restored store that
// were read, and their total.
type Progress func(done, total int64)

// CheckBackup reads a backup to its end and compares it with its checksums. A backup that is
// incomplete, damaged or of another format is refused with ErrCheckpoint.
func CheckBackup(ctx context.Context, r io.Reader, progress Progress) (BackupContents, error) {
	b := backupReader{ctx: ctx, progress: progress, to: discarded{}}
	if err := b.read(r); err != nil {
		return BackupContents{}, fmt.Errorf("read the backup: %w", err)
	}
	return b.contents(), nil
}

// backupReader reads a backup and compares it with its manifest.
type backupReader struct {
	ctx      context.Context //nolint:containedctx // that of one call of read
	progress Progress
	to       backupFiles

	manifest manifest
	missing  map[string]manifestFile // files of the manifest that have not come yet
	done     int64                   // bytes
	total    int64
}

// backupFiles receives the files of a backup: begin once with the number of bytes of all files,
// then create for each file.
type backupFiles interface {
	begin(manifest []byte, bytes int64) error
	create(name string) (io.WriteCloser, error)
}

// discarded receives files that are only checked.
type discarded struct{}

func (discarded) begin([]byte, int64) error               { return nil }
func (d discarded) create(string) (io.WriteCloser, error) { return d, nil }
func (discarded) Write(b []byte) (int, error)             { return len(b), nil }
func (discarded) Close() error                            { return nil }

func (b *backupReader) contents() BackupContents {
	return BackupContents{Contents: b.manifest.contents(), Bytes: b.total}
}

// read reads a backup to its end.
func (b *backupReader) read(r io.Reader) error {
	err := archive.Each(reader{b.ctx, r}, b.file)
	switch {
	case errors.Is(err, archive.ErrMalformed):
		return fmt.Errorf("%w: %w", ErrCheckpoint, err)
	case err != nil:
		return err
	}
	for name := range b.missing {
		return fmt.Errorf("%w: its file %s is missing", ErrCheckpoint, name)
	}
	return nil
}

// reader reads until its context ends.
type reader struct {
	ctx context.Context //nolint:containedctx // that of one call of read
	r   io.Reader
}

// Read is of io.Reader.
func (r reader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(b)
}

// file reads the next file: first the manifest, then those that it lists.
func (b *backupReader) file(name string, size int64, content io.Reader) error {
	if b.missing == nil {
		return b.readManifest(name, size, content)
	}
	base, inStore := strings.CutPrefix(name, "store/")
	if base == "LOCK" && inStore && size == 0 { // Pebble's, from the check of the copy
		return nil
	}
	want, listed := b.missing[base]
	if !inStore || !listed {
		return fmt.Errorf("%w: its manifest does not list the file %.200q, or it has it twice", ErrCheckpoint, name)
	}
	if size != want.Bytes {
		return fmt.Errorf("%w: its file %s has %d bytes, and its manifest says %d", ErrCheckpoint, base, size, want.Bytes)
	}
	delete(b.missing, base)
	f, err := b.to.create(base)
	if err != nil {
		return err
	}
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	_, err = io.Copy(io.MultiWriter(sum, f, counting{b}), content)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if sum.Sum32() != want.CRC {
		return fmt.Errorf("%w: its file %s is damaged", ErrCheckpoint, base)
	}
	return nil
}

// readManifest reads the manifest, which must be the first file.
func (b *backupReader) readManifest(name string, size int64, content io.Reader) error {
	if name != "checkpoint" || size > maxManifest {
		return fmt.Errorf("%w: it begins with the file %.200q of %d bytes instead of a manifest", ErrCheckpoint, name, size)
	}
	text, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	if b.manifest, err = decodeManifest(text); err != nil {
		return err
	}
	b.missing = make(map[string]manifestFile, len(b.manifest.Files))
	for _, f := range b.manifest.Files {
		if err := f.check(); err != nil {
			return err
		}
		b.missing[f.Name] = f
		if b.total += f.Bytes; b.total < 0 {
			return fmt.Errorf("%w: its manifest lists more bytes than any disk has", ErrCheckpoint)
		}
	}
	return b.to.begin(text, b.total)
}

// counting counts the bytes that were read, for the progress.
type counting struct{ b *backupReader }

// Write is of io.Writer.
func (c counting) Write(p []byte) (int, error) {
	c.b.done += int64(len(p))
	if c.b.progress != nil {
		c.b.progress(c.b.done, c.b.total)
	}
	return len(p), nil
}
