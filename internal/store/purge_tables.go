package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// purgePiece is the size of the tables that Purge rewrites together. While that runs, the disk has the
// old and the new ones, flushes may wait for it, and so does Close.
const purgePiece = 32 << 20

// purgeRounds is the number of attempts to rewrite all tables. A second one is needed for those that
// a flush or a compaction was writing when the first began, and for marks that it left.
const purgeRounds = 5

// ErrSpace says that the disk has too little free space for Purge.
var ErrSpace = errors.New("the disk has too little free space")

// table is a table of the current state.
type table struct {
	file     string
	from, to []byte // first and last key
	size     uint64
	marked   bool // it has a mark of markTables
}

// overlaps reports whether the table can have keys between from and to.
func (t *table) overlaps(from, to []byte) bool {
	return bytes.Compare(t.from, to) <= 0 && bytes.Compare(from, t.to) <= 0
}

// tables returns the tables that have the current state, by level.
func (s *Store) tables(o ...pebble.SSTablesOption) ([][]table, error) {
	levels, err := s.db.SSTables(o...)
	if err != nil {
		return nil, err
	}
	all := make([][]table, len(levels))
	for i, level := range levels {
		for _, t := range level {
			all[i] = append(all[i], table{
				file: fmt.Sprintf("%06d.sst", uint64(t.BackingSSTNum)), size: t.Size,
				from: bytes.Clone(t.Smallest.UserKey), to: bytes.Clone(t.Largest.UserKey),
				marked: t.Properties != nil && t.Properties.NumRangeKeyDels > 0,
			})
		}
	}
	return all, nil
}

// rewriteTables rewrites all tables of which before has the name, and returns when their files
// are gone.
func (s *Store) rewriteTables(ctx context.Context, before map[string]bool) error {
	for range purgeRounds {
		levels, err := s.tables(pebble.WithProperties())
		if err != nil {
			return err
		}
		left := slices.DeleteFunc(slices.Concat(levels...), func(t table) bool { return !before[t.file] && !t.marked })
		if len(left) == 0 {
			return s.untilReplaced(ctx, before)
		}
		if err := s.rewrite(ctx, left); err != nil {
			return err
		}
	}
	return errors.New("tables of before were not rewritten")
}

// rewrite compacts the ranges of tables, after it has marked them twice: the flushed table with the
// marks is then not alone in its level, and so it is merged and not moved, even if no other is below.
func (s *Store) rewrite(ctx context.Context, tables []table) error {
	for range 2 {
		if err := s.markTables(tables); err != nil {
			return err
		}
		if err := s.flushed(ctx); err != nil {
			return err
		}
	}
	if err := poll(ctx, s.snapshots.renew()); err != nil { // no snapshot keeps the marks
		return err
	}
	if err := s.purgeLogs(ctx); err != nil { // a mark may have the name of a user
		return err
	}
	from := []byte{0}
	for _, to := range s.pieces(tables) {
		if bytes.Compare(from, to) >= 0 {
			continue
		}
		if err := s.compactPiece(ctx, from, to); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// markTables writes a mark into each table: the deletion of range keys at its first key. A compaction
// moves a table that no other overlaps, or leaves it in the last level, but it merges tables with
// the marks that overlap them. The store has no range keys, so a mark changes nothing.
func (s *Store) markTables(tables []table) error {
	b := s.db.NewBatch()
	for i := range tables {
		from := tables[i].from
		if err := b.RangeKeyDelete(from, append(bytes.Clone(from), 0), nil); err != nil {
			return errors.Join(err, b.Close())
		}
	}
	return errors.Join(s.attempt(func() error { return b.Commit(pebble.NoSync) }), b.Close())
}

// pieces returns the ends of ranges, ascending, each of which has about the size of a piece.
func (s *Store) pieces(tables []table) (ends [][]byte) {
	slices.SortFunc(tables, func(a, b table) int { return bytes.Compare(a.from, b.from) })
	size := uint64(0)
	for i := range tables {
		if size += tables[i].size; size >= s.purging.piece {
			ends, size = append(ends, tables[i].to), 0
		}
	}
	return append(ends, []byte{math.MaxUint8})
}

// compactPiece compacts a range, and returns when the old files are gone.
func (s *Store) compactPiece(ctx context.Context, from, to []byte) error {
	levels, err := s.tables()
	if err != nil {
		return err
	}
	if err := s.checkSpace(compactionBytes(levels, from, to)); err != nil {
		return err
	}
	if err := s.db.Compact(ctx, from, to, false); err != nil {
		return err
	}
	before := map[string]bool{}
	for _, t := range slices.Concat(levels...) {
		before[t.file] = true
	}
	return s.untilReplaced(ctx, before)
}

// checkPurgeSpace returns an error of kind ErrSpace if the disk has too little space for the largest
// piece.
func (s *Store) checkPurgeSpace() error {
	levels, err := s.tables()
	if err != nil {
		return err
	}
	need, from := uint64(0), []byte{0}
	for _, to := range s.pieces(slices.Concat(levels...)) {
		need, from = max(need, compactionBytes(levels, from, to)), to
	}
	return s.checkSpace(need)
}

// checkSpace returns an error of kind ErrSpace unless the disk keeps its reserve when need bytes are
// written.
func (s *Store) checkSpace(need uint64) error {
	if free, err := s.Free(); err == nil && free < need+s.purging.reserve { // unknown: it is tried
		return fmt.Errorf("%w: %d bytes are free, and %d are needed and %d reserved", ErrSpace, free, need, s.purging.reserve)
	}
	return nil
}

// compactionBytes returns the size of the tables that a compaction of a range rewrites: in each level
// those that overlap the range, together with those of the next level that overlap them.
func compactionBytes(levels [][]table, from, to []byte) (size uint64) {
	counted := map[string]bool{}
	overlapping := func(level int, from, to []byte) ([]byte, []byte) {
		low, high := from, to
		for i := range levels[level] {
			t := &levels[level][i]
			if !t.overlaps(from, to) {
				continue
			}
			if !counted[t.file] {
				counted[t.file] = true
				size += t.size
			}
			low, high = slices.MinFunc([][]byte{low, t.from}, bytes.Compare), slices.MaxFunc([][]byte{high, t.to}, bytes.Compare)
		}
		return low, high
	}
	for level := range levels {
		low, high := overlapping(level, from, to)
		for next := level + 1; next < len(levels); next++ {
			if len(levels[next]) > 0 {
				overlapping(next, low, high)
				break
			}
		}
	}
	return size
}

// untilReplaced returns when each of the files is gone or has the current state.
func (s *Store) untilReplaced(ctx context.Context, names map[string]bool) error {
	return poll(ctx, func() (bool, error) {
		levels, err := s.tables()
		if err != nil {
			return false, err
		}
		files, err := s.files(".sst")
		if err != nil {
			return false, err
		}
		for _, t := range slices.Concat(levels...) {
			delete(files, t.file)
		}
		for name := range files {
			if names[name] {
				return false, nil
			}
		}
		return true, nil
	})
}

// compactions are the compactions that Pebble runs.
type compactions struct {
	mu      sync.Mutex
	running map[int]struct{} // by job
}

func (c *compactions) begun(i pebble.CompactionInfo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running == nil {
		c.running = map[int]struct{}{}
	}
	c.running[i.JobID] = struct{}{}
}

func (c *compactions) ended(i pebble.CompactionInfo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.running, i.JobID)
}

// passed returns a function that reports whether all compactions that are running now have ended.
func (c *compactions) passed() func() (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := make([]int, 0, len(c.running))
	for job := range c.running {
		before = append(before, job)
	}
	return func() (bool, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		return !slices.ContainsFunc(before, func(job int) bool { _, runs := c.running[job]; return runs }), nil
	}
}
