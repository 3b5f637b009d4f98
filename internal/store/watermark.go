package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/bellhop/bellhop/internal/notify"
)

// identity distinguishes stores. It is random.
type identity [16]byte

// slot is the content of the watermark file: the last durable sequence, and the store
// that it belongs to.
type slot struct {
	store  identity
	last   notify.Sequence
	writes uint64 // number of writes to the file: of two slots, the one with more writes is newer
}

// The watermark file has two slots in separate pages, which are written in turn: if one
// write is torn, the other slot is whole.
const (
	slotMagic = "BELLMARK"
	slotBytes = len(slotMagic) + 16 + 8 + 8 + 4
	slotEvery = 4096
	slots     = 2
	fileBytes = slots * slotEvery
)

func (s slot) append(dst []byte) []byte {
	at := len(dst)
	dst = append(dst, slotMagic...)
	dst = append(dst, s.store[:]...)
	dst = binary.BigEndian.AppendUint64(dst, s.writes)
	dst = binary.BigEndian.AppendUint64(dst, uint64(s.last))
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[at:], crc32.MakeTable(crc32.Castagnoli)))
}

// readSlot decodes a slot; ok is false if it is damaged.
func readSlot(b []byte) (s slot, ok bool) {
	copy(s.store[:], b[len(slotMagic):])
	s.writes = binary.BigEndian.Uint64(b[len(slotMagic)+16:])
	s.last = notify.Sequence(binary.BigEndian.Uint64(b[len(slotMagic)+16+8:]))
	return s, string(s.append(nil)) == string(b[:slotBytes])
}

// watermark is the file next to Pebble's directory that records the last durable sequence.
// Open compares it with the store, and finds a loss of the newest entries, which to
// Pebble looks like an unfinished write.
//
// The file is written after each commit without a sync: the page cache survives the end
// of the process. After a power cut the watermark may be older than the store, so that
// some losses are missed, but none is reported wrongly. It is written in place, into
// blocks that are allocated already, so that a full disk does no harm.
type watermark struct {
	logger *slog.Logger
	file   vfs.File // nil if it could not be opened

	// Used by Open and Apply alone.
	now    slot
	buffer []byte
	failed bool

	unsynced atomic.Bool
}

// readWatermark reads the watermark file; nil: it does not exist or is damaged.
func readWatermark(disk vfs.FS, path string, logger *slog.Logger) *slot {
	f, err := disk.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	b := make([]byte, fileBytes)
	if err == nil {
		_, err = io.ReadFull(f, b)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		logger.Warn("the watermark cannot be read; it is replaced, and a loss before this start cannot be noticed",
			"path", path, "error", err)
		return nil
	}
	return newest(b, path, logger)
}

// newest returns the newer one of the slots in b, and warns if one is damaged.
func newest(b []byte, path string, logger *slog.Logger) (found *slot) {
	damaged := 0
	for ; len(b) > 0; b = b[slotEvery:] {
		one, ok := readSlot(b)
		switch {
		case !ok:
			damaged++
		case found == nil || one.writes > found.writes:
			found = &one
		}
	}
	switch {
	case damaged == slots:
		logger.Warn("the watermark is damaged; it is replaced, and a loss before this start cannot be noticed", "path", path)
	case damaged > 0:
		logger.Warn("one of the two copies of the watermark is damaged; the other one is used", "path", path)
	}
	return found
}

// openWatermark writes the whole file and keeps it open. A failure is logged, and the
// store works without the file.
func openWatermark(disk vfs.FS, dir string, now slot, logger *slog.Logger) *watermark {
	w := &watermark{logger: logger, now: now}
	if err := w.open(disk, dir); err != nil {
		logger.Warn("the watermark cannot be written; a loss of stored entries may go unnoticed", "error", err)
	}
	return w
}

func watermarkPath(dir string) string { return filepath.Join(dir, "watermark") }

func (w *watermark) open(disk vfs.FS, dir string) error {
	whole := make([]byte, fileBytes)
	for i := range slots {
		w.now.writes++
		w.now.append(whole[:i*slotEvery])
	}
	f, err := disk.OpenReadWrite(watermarkPath(dir), vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(whole, 0); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = syncDir(disk, dir)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	w.file = f
	return nil
}

// raise records that last is durable.
func (w *watermark) raise(last notify.Sequence) {
	if w == nil || w.file == nil {
		return
	}
	w.now.last = last
	w.now.writes++
	w.buffer = w.now.append(w.buffer[:0])
	_, err := w.file.WriteAt(w.buffer, int64(w.now.writes%slots)*slotEvery)
	w.note(err)
	w.unsynced.Store(true)
}

// note logs the first failed write after a successful one.
func (w *watermark) note(err error) {
	if failed := err != nil; failed != w.failed {
		w.failed = failed
		if failed {
			w.logger.Warn("the watermark cannot be written; a loss of stored entries may go unnoticed", "error", err)
		}
	}
}

// sync makes the watermark survive a power cut. Any goroutine may call it.
func (w *watermark) sync() error {
	if w == nil || w.file == nil || !w.unsynced.Swap(false) {
		return nil
	}
	if err := w.file.SyncData(); err != nil {
		w.unsynced.Store(true)
		return fmt.Errorf("sync the watermark: %w", err)
	}
	return nil
}

func (w *watermark) close() error {
	if w == nil || w.file == nil {
		return nil
	}
	return errors.Join(w.sync(), w.file.Close())
}
