package store

import "time"

// Metrics receives what the store measures.
type Metrics interface {
	// Synced is called with the time that writing a transaction to the log and syncing it
	// took. Transactions of a replicated store are not synced.
	Synced(took time.Duration)
}

type noMetrics struct{}

func (noMetrics) Synced(time.Duration) {}

// Stats are figures of Pebble.
type Stats struct {
	DiskBytes         uint64
	MemTableBytes     uint64
	CacheBytes        int64
	CacheHits         int64
	CacheMisses       int64
	WALBytes          uint64
	Compactions       int64
	ReadAmplification int
}

// Stats returns the current figures.
func (s *Store) Stats() Stats {
	m := s.db.Metrics()
	return Stats{
		DiskBytes:         m.DiskSpaceUsage(),
		MemTableBytes:     m.MemTable.Size,
		CacheBytes:        m.BlockCache.Size,
		CacheHits:         m.BlockCache.Hits,
		CacheMisses:       m.BlockCache.Misses,
		WALBytes:          m.WAL.BytesWritten,
		Compactions:       m.Compact.Count,
		ReadAmplification: m.ReadAmp(),
	}
}
