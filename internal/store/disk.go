package store

import "fmt"

// Free returns the free bytes of the disk.
func (s *Store) Free() (uint64, error) {
	usage, err := s.fs.GetDiskUsage(s.dir)
	if err != nil {
		return 0, fmt.Errorf("free space of %s: %w", s.dir, err)
	}
	return usage.AvailBytes, nil
}

// DiskSize returns the size of the disk in bytes.
func (s *Store) DiskSize() (uint64, error) {
	usage, err := s.fs.GetDiskUsage(s.dir)
	if err != nil {
		return 0, fmt.Errorf("size of the disk of %s: %w", s.dir, err)
	}
	return usage.TotalBytes, nil
}
