package store

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The ballast is a file that reserves disk space. If the disk is full at start, it is
// deleted, which gives Pebble the space to replay its log, to remove expired
// notifications and to answer reads. CockroachDB does the same.
const (
	ballastBytes      = 64 << 20
	minFreeBytes      = 32 << 20 // below it, Pebble must not be started
	minFreeBytesSmall = 1 << 20  // the same on a small disk
	smallDiskBytes    = 4 * ballastBytes
)

func (s *Store) ballast() string { return filepath.Join(s.dir, "ballast") }

// freeBallast deletes the ballast if the disk is too full to start, and fails if it still
// is: Pebble would retry writing its replayed log endlessly.
func (s *Store) freeBallast(logger *slog.Logger) error {
	usage, err := s.fs.GetDiskUsage(s.dir)
	if err != nil {
		return nil //nolint:nilerr // the free space is unknown; on a full disk Pebble fails
	}
	need := uint64(minFreeBytes)
	if usage.TotalBytes < smallDiskBytes { // a small disk never had as much free space
		need = minFreeBytesSmall
	}
	free := usage.AvailBytes
	if free >= need {
		return nil
	}
	if err = s.fs.Remove(s.ballast()); err == nil {
		logger.Warn("disk full; ballast deleted", "free", free, "ballast", ballastBytes)
		if free, err = s.Free(); err == nil && free >= need {
			return nil
		}
	}
	return fmt.Errorf("the disk of %s has %d bytes free, and %d are needed to start: free some space", s.dir, free, need)
}

// createBallast creates the ballast if it is missing and the disk has plenty of space.
// The store works without it.
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
		logger.Warn("ballast cannot be created; a full disk may prevent a start", "error", err)
		_ = s.fs.Remove(s.ballast()) // an incomplete ballast
	}
}
