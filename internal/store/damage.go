package store

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"
)

// errDamaged says that durable entries are missing, and that the rest is not consistent.
var errDamaged = errors.New("the store is damaged")

// isDamage reports whether err is about damaged files.
func isDamage(err error) bool {
	return errors.Is(err, errDamaged) || errors.Is(err, errCorrupt) || pebble.IsCorruptionError(err) || errors.Is(err, fs.ErrNotExist) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || // a table was cut short while it was open
		errors.Is(err, pebble.ErrDBNotPristine) || // the marker of Pebble's format is missing
		err != nil && strings.Contains(err.Error(), "object size mismatch") // Pebble has no kind of error for a shortened table
}

// withAdvice adds instructions for the operator to an error of damaged files.
func (s *Store) withAdvice(err error) error {
	if !isDamage(err) {
		return err
	}
	return fmt.Errorf("%w. Restore the data directory from a backup. To go on without one, leave %s in its place. "+
		"If a log is damaged, move that log and all newer ones (%s) away: their entries are then lost, and the rest is served. "+
		"Otherwise move %s away: the store then begins empty. In both cases the next start logs how many entries are missing, "+
		"and every client receives a reset",
		err, watermarkPath(s.dir), filepath.Join(s.path(), "*.log"), s.path())
}

// verify refuses a store of another format or of rules that this version does not know,
// and one with missing entries before its last one. It does not change the files: the
// version that wrote them finds them as it left them, and missing ones can still be put
// back.
func (s *Store) verify(opts *pebble.Options) error {
	desc, err := pebble.Peek(s.path(), s.fs)
	if err != nil {
		return s.withAdvice(err)
	}
	if !desc.Exists {
		return s.withAdvice(s.noData("the marker of its MANIFEST is missing", ".sst", ".blob", ".log"))
	}
	db, err := pebble.Open(s.path(), readOnly(opts))
	if err != nil {
		return s.withAdvice(err)
	}
	return s.withAdvice(errors.Join(s.check(db), db.Close()))
}

// readOnly returns options with which files are read and not changed.
func readOnly(opts *pebble.Options) *pebble.Options {
	opts = opts.Clone()
	opts.ReadOnly = true
	// Corruption is returned by the read that finds it. Without this function Pebble
	// calls Fatalf instead, which ends the process before any advice is given.
	opts.EventListener = &pebble.EventListener{DataCorruption: func(pebble.DataCorruptionInfo) {}}
	return opts
}

// check compares the state and the applied spans. It refuses a store that has tables and
// no state, and one that lacks entries before its last one.
func (s *Store) check(db *pebble.DB) error {
	format, err := get(db, []byte{kindFormat})
	if err != nil {
		return err
	}
	if format == nil { // the format is the first record that is written
		return s.checkEmpty(db)
	}
	if err := checkFormat(format); err != nil {
		return err
	}
	st, err := readStateOf(db)
	if err != nil {
		return err
	}
	if err := checkRules(st.rules); err != nil {
		return err
	}
	b, err := get(db, []byte{kindSpans})
	if err != nil {
		return err
	}
	applied, err := readSpans(b)
	if err != nil {
		return err
	}
	if missing := applied.gaps(st.last); len(missing) > 0 {
		return fmt.Errorf("%w: it has entries up to %d, but entries %s are missing. "+
			"A log or the MANIFEST may be an older copy, cut short, or missing", errDamaged, st.last, missing)
	}
	return nil
}

// checkEmpty returns an error if a store without a format has any record. If all logs are
// missing, the watermark shows the loss.
func (s *Store) checkEmpty(db *pebble.DB) error {
	err := each(db, nil, nil, func(_, _ []byte) (bool, error) {
		return false, fmt.Errorf("%w: it has entries, but no format, which is written before them. "+
			"Its oldest log may be missing", errDamaged)
	})
	if err != nil {
		return err
	}
	return s.noData("its MANIFEST names no tables", ".sst", ".blob")
}

// noData returns nil if the directory has no files with these endings. Otherwise it returns an
// error with the reason why their data cannot be found.
func (s *Store) noData(reason string, endings ...string) error {
	files, err := s.fs.List(s.path())
	if err != nil {
		return err
	}
	for _, name := range files {
		if slices.Contains(endings, filepath.Ext(name)) {
			return fmt.Errorf("%w: %s, but the directory has %s", errDamaged, reason, name)
		}
	}
	return nil
}

// reconcile compares the store with its watermark. Missing entries are announced, and
// their sequences are not used again. A replicated store has no watermark.
func (s *Store) reconcile(replicated bool) error {
	var err error
	if s.state, err = s.readState(); err != nil {
		return err
	}
	if replicated && s.replica.position.Journal != "" { // a watermark in the directory belongs to an earlier store
		if err := s.removeWatermark(); err != nil {
			return err
		}
	}
	recorded := readWatermark(s.fs, watermarkPath(s.dir), s.log)
	own, err := s.identify(recorded)
	if err != nil {
		return err
	}
	switch {
	case recorded == nil && replicated:
	case recorded == nil && s.state.last > 0:
		s.log.Warn("the file watermark is missing; it is created, and a loss before this start cannot be noticed", "dir", s.dir)
	case recorded == nil:
	case recorded.store != own:
		s.log.Warn("the watermark belongs to another store; it is replaced, and a loss before this start cannot be noticed", "dir", s.dir)
	case recorded.last > s.state.last:
		if err := s.recordLoss(span{s.state.last + 1, recorded.last}); err != nil {
			return fmt.Errorf("record a loss: %w", err)
		}
	}
	if replicated {
		return errors.Join(s.removeWatermark(), s.countLosses())
	}
	now := slot{store: own, last: s.state.last}
	if recorded != nil {
		now.writes = recorded.writes
	}
	s.watermark = openWatermark(s.fs, s.dir, now, s.log)
	return s.countLosses()
}

// identify returns the identity of the store. A store without one takes that of its
// watermark, or a new one.
func (s *Store) identify(recorded *slot) (own identity, err error) {
	b, err := get(s.db, []byte{kindIdentity})
	switch {
	case err != nil:
		return own, err
	case len(b) == len(own):
		return identity(b), nil
	case b != nil:
		return own, errCorrupt
	case recorded != nil:
		own = recorded.store
	default:
		rand.Read(own[:]) // never fails: crypto/rand
	}
	return own, s.db.Set([]byte{kindIdentity}, own[:], pebble.Sync)
}

// recordLoss announces missing entries and continues after them. It deletes the
// generations, so that every cursor from before is answered with a reset: a missing entry
// may have concerned its user.
func (s *Store) recordLoss(gone span) error {
	s.log.Error("stored entries are missing: the newest part of the store was lost since the service ran last; every client is reset",
		"missing", gone.count(), "from", uint64(gone.from), "to", uint64(gone.to), "dir", s.dir)
	b := s.db.NewBatch()
	defer b.Close()
	s.state.last = gone.to
	err := errors.Join(
		b.Set([]byte{kindState}, s.state.append(nil), nil),
		b.Merge([]byte{kindSpans}, spans{gone}.append(nil), nil),
		b.Set(sequenceKey(kindLoss, gone.to), binary.BigEndian.AppendUint64(nil, gone.count()), nil),
		b.DeleteRange([]byte{kindGeneration}, endOfKind(kindGeneration), nil),
	)
	if err != nil {
		return err
	}
	return b.Commit(pebble.Sync)
}

func (s *Store) countLosses() error {
	return each(s.db, []byte{kindLoss}, endOfKind(kindLoss), func(_, v []byte) (bool, error) {
		if len(v) != 8 {
			return false, errCorrupt
		}
		s.lost += binary.BigEndian.Uint64(v)
		return true, nil
	})
}

// Lost returns the number of entries that were durable once and are missing, since the
// store was created.
func (s *Store) Lost() uint64 { return s.lost }

// SyncWatermark makes the watermark survive a power cut. It should be called regularly.
func (s *Store) SyncWatermark() error { return s.watermark.sync() }
