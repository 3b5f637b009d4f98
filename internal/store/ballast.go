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
	ballastBytes      = 64 << 20
	minFreeBytes      = 32 << 20 // free, without which Pebble should not be started
	minFreeBytesSmall = 1 << 20  // likewise, on a small disk
	smallDiskBytes    = 4 * ballastBytes
)

func (s *Store) ballast() string { return filepath.Join(s.dir, "ballast") }

// freeBallast gives up the ballast if the disk is too full to start, and fails if
// it still is: Pebble would try for ever to write what it finds in its log.
func (s *Store) freeBallast(logger *slog.Logger) error {
	usage, err := s.fs.GetDiskUsage(s.dir)
	if err != nil {
		return nil //nolint:nilerr // the free space is unknown; if there is none, Pebble fails
	}
	need := uint64(minFreeBytes)
	if usage.TotalBytes < smallDiskBytes { // a disk that was never large need not have as much free
		need = minFreeBytesSmall
	}
	free := usage.AvailBytes
	if free >= need {
		return nil
	}
	if err = s.fs.Remove(s.ballast()); err == nil {
		logger.Warn("the disk is full: the ballast is given up", "free", free, "ballast", ballastBytes)
		if free, err = s.Free(); err == nil && free >= need {
			return nil
		}
	}
	return fmt.Errorf("the disk of %s has %d bytes free, and %d are needed to start: free some space", s.dir, free, need)
}

// createBallast makes the ballast, if it is not there and the disk has plenty of
// room. Doing without it is no failure.
func (s *Store) createBallast(logger *slog.Logger) {
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
