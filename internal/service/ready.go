package service

import "github.com/bellhop/bellhop/internal/notify"

// watchDisk refuses publishing before the disk is full, and resumes it when there
// is enough free space again.
func (s *Service) watchDisk() {
	free, err := s.opts.Store.Free()
	if err != nil {
		s.opts.Logger.Warn("free disk space cannot be read; publishing goes on as before", "error", err)
		return
	}
	full := free < s.opts.Reserve
	switch was := s.diskFull.Swap(full); {
	case full && !was:
		s.opts.Logger.Warn("disk below reserve; publishing refused", "free_bytes", free, "min_free_bytes", s.opts.Reserve)
	case was && !full:
		s.opts.Logger.Info("disk above reserve again; publishing resumed", "free_bytes", free, "min_free_bytes", s.opts.Reserve)
	}
}

// Ready returns nil if this node can publish and replay, and otherwise an error of
// kind ErrUnavailable that names the cause.
func (s *Service) Ready() error {
	if err := s.opts.Store.Err(); err != nil {
		return notify.Unavailable(notify.CauseStore, "the store has failed")
	}
	if err := s.opts.Journal.Ready(); err != nil {
		return err
	}
	if s.diskFull.Load() {
		return notify.Unavailable(notify.CauseDiskFull, "the disk is nearly full")
	}
	return nil
}
