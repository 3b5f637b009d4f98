package store

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// listener follows the background work of Pebble.
func (s *Store) listener(o Options) *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			if s.opening.Load() { // otherwise Pebble would retry endlessly, and Open would never return
				o.Fatal(fmt.Errorf("open the store in %s: %w", s.dir, s.withAdvice(err)))
			}
			if s.failing.Swap(&err) == nil { // log the first failure only: Pebble retries immediately
				o.Logger.Error("background work of the store failed; it is retried", "error", err.Error())
			}
		},
		FlushEnd:        func(i pebble.FlushInfo) { s.backgroundSucceeded(i.Err) },
		CompactionBegin: s.compactions.begun,
		CompactionEnd: func(i pebble.CompactionInfo) {
			s.compactions.ended(i)
			s.backgroundSucceeded(i.Err)
		},
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			s.noteCorruption(i.Path, i.Details)
		},
		WriteStallBegin: func(i pebble.WriteStallBeginInfo) {
			o.Logger.Warn("writes to the store are stalled by compaction", "reason", i.Reason)
		},
	}
}

// backgroundSucceeded clears the background error if err is nil.
func (s *Store) backgroundSucceeded(err error) {
	if err == nil {
		s.failing.Store(nil)
	}
}
