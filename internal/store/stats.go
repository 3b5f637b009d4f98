package store

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
