package store

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The ballast is a file that does nothing but take room. If something else has
// filled the disk, a start gives it up, and so has the room that Pebble needs to
// read its log, to remove what is past its time and to answer reads.
// CockroachDB does the same.
const (
	ballastBytes = 64 << 20
	startBytes   = 32 << 20 // free, without which Pebble should not be started
)

func (s *Store) ballast() string { return filepath.Join(s.dir, "ballast") }

// makeRoom gives up the ballast if the disk is too full to start, and fails if
// it still is.
func (s *Store) makeRoom(logger *slog.Logger) error {
	free, err := s.Free()
	if err != nil || free >= startBytes {
		return nil //nolint:nilerr // if it cannot be told, Pebble will
	}
	err = s.fs.Remove(s.ballast())
	if err == nil {
		logger.Warn("the disk is full: the ballast is given up", "free", free, "ballast", ballastBytes)
		if free, err = s.Free(); err == nil && free >= startBytes {
			return nil
		}
	}
	if s.isSmall() { // of a disk that was never larger
		return nil
	}
	return fmt.Errorf("the disk of %s has %d bytes free, and %d are needed to start: make room", s.dir, free, startBytes)
}

// isSmall reports whether the whole disk is so small that what a start should
// have is no measure.
func (s *Store) isSmall() bool {
	usage, err := s.fs.GetDiskUsage(s.dir)
	return err == nil && usage.TotalBytes < 4*ballastBytes
}

// keepBallast makes the ballast, if it is not there and the disk has plenty of
// room. Doing without it is no failure.
func (s *Store) keepBallast(logger *slog.Logger) {
	if _, err := s.fs.Stat(s.ballast()); !errors.Is(err, fs.ErrNotExist) {
		return
	}
	if free, err := s.Free(); err != nil || free < 8*ballastBytes {
		return
	}
	f, err := s.fs.Create(s.ballast(), vfs.WriteCategoryUnspecified)
	if err == nil {
		err = errors.Join(f.Preallocate(0, ballastBytes), f.Close())
	}
	if err != nil {
		logger.Warn("no ballast could be made", "error", err)
		_ = s.fs.Remove(s.ballast()) // half of one is none
	}
}
