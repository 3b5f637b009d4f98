package store

import (
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// Apply applies entries at the sequences from first on, in one transaction. When it
// returns without an error, all of them are durable. It returns a verdict for each entry,
// and the changes to pass on to readers, in order.
//
// No verdict, change or record depends on which entries share a transaction. An entry
// whose time is before that of its predecessor gets the time of its predecessor.
//
// No entry ends the process. An entry that is unknown or invalid, or that makes Apply
// panic, changes nothing, and its verdict has an error of kind notify.ErrNotApplied. An
// error of Apply itself is a failure of the disk, or ErrNewerRules for entries that need a newer
// program: it is unknown whether the entries are durable, and Apply must not be called again.
func (s *Store) Apply(first notify.Sequence, entries []notify.Stamped) ([]notify.Verdict, []notify.Change, error) {
	return s.applyLogged(first, entries, nil)
}

// applyLogged applies entries, and logs those that cannot be applied. r is nil unless the
// store is replicated.
func (s *Store) applyLogged(first notify.Sequence, entries []notify.Stamped, r *replication) ([]notify.Verdict, []notify.Change, error) {
	verdicts, changes, err := s.commit(first, entries, r, false)
	if errors.Is(err, notify.ErrNotApplied) {
		verdicts, changes, err = s.commitWithoutPanics(first, entries, r)
	}
	if err != nil && !s.replicated { // a replicated store is replaced by a checkpoint
		err = s.withAdvice(err)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("apply entries from %d: %w", first, err)
	}
	for i := range verdicts {
		if err := verdicts[i].Err; errors.Is(err, notify.ErrNotApplied) {
			s.log.Error("entry not applied; it changed nothing", "sequence", uint64(verdicts[i].Sequence), "error", err)
		}
	}
	return verdicts, changes, nil
}

// commitWithoutPanics commits entries, some of which make their application panic, in one
// transaction. Each of these is replaced by an entry that changes nothing.
func (s *Store) commitWithoutPanics(first notify.Sequence, entries []notify.Stamped, r *replication) ([]notify.Verdict, []notify.Change, error) {
	entries = slices.Clone(entries)
	for {
		verdicts, changes, err := s.commit(first, entries, r, true)
		var p *applyPanic
		if !errors.As(err, &p) {
			return verdicts, changes, err
		}
		i := p.sequence - first
		if _, replaced := entries[i].Entry.(panicked); replaced {
			return nil, nil, fmt.Errorf("apply the replacement of entry %d: %w", p.sequence, err)
		}
		entries[i].Entry = panicked{err: err}
	}
}

// applyPanic is the error of a transaction that has panicked, with the sequence of the entry
// that was being applied.
type applyPanic struct {
	sequence notify.Sequence
	text     string
}

func (p *applyPanic) Error() string {
	return fmt.Sprintf("%v: panic: %s", notify.ErrNotApplied, p.text)
}
func (*applyPanic) Unwrap() error { return notify.ErrNotApplied }

// panicked stands for an entry whose application panicked.
type panicked struct {
	notify.Entry
	err error
}

func (p panicked) reason() error { return p.err }

// commit applies entries in one transaction, and commits that. An error of kind
// notify.ErrNotApplied means that nothing has changed; it is an applyPanic. If perEntry is set,
// its sequence is that of the entry that caused the panic; otherwise it may be a later one.
func (s *Store) commit(first notify.Sequence, entries []notify.Stamped, r *replication, perEntry bool) ([]notify.Verdict, []notify.Change, error) {
	tx := &txn{
		batch:          s.db.NewIndexedBatchWithSize(s.batchBytes),
		state:          s.state,
		sizes:          s.sizes,
		histories:      &s.histories,
		buffer:         s.buffer,
		record:         s.record,
		maxMarkChanges: s.maxMarkChanges,
		walkBudget:     s.walkBudget,
		perEntry:       perEntry,
	}
	durability := pebble.Sync
	if r != nil {
		durability = pebble.NoSync
		r.hash = s.replica.hash
		tx.replication = r
	}
	defer tx.batch.Close()
	verdicts, err := tx.applySafely(first, entries)
	if err == nil {
		s.snapshots.applied.Store(uint64(tx.state.last)) // before the commit makes the entries visible to readers
		s.snapshots.truncated.Store(uint64(tx.state.truncated))
		err = s.commitBatch(tx.batch, durability)
	}
	if err != nil {
		s.histories = histories{}
		return nil, nil, err
	}
	s.watermark.raise(tx.state.last) // before any caller learns that the entries are durable
	s.state, s.sizes, s.buffer, s.record = tx.state, tx.sizes, tx.buffer, tx.record
	s.batchBytes = nextBatchBytes(tx.batch.Len())
	if r != nil {
		s.replica.committed(r, tx.state.last)
	}
	s.publishState()
	if s.histories.Weight() >= maxCachedHistories {
		s.histories.Rotate()
	}
	s.revocations.apply(tx.revocations)
	if len(tx.generations) > 0 {
		s.generations(tx.generations...)
	}
	s.snapshots.retire()
	s.index.apply(tx.indexChanges)
	return verdicts, tx.changes, nil
}

// The memory of a batch up to reusedBatchBytes is reused by Pebble. maxBatchBytes bounds what a
// transaction takes before it needs it.
const (
	reusedBatchBytes = 1 << 20
	maxBatchBytes    = 8 << 20
)

// nextBatchBytes returns the memory to take for a batch after one of n bytes. Transactions under load
// resemble their predecessors, and a large batch that grows from a kilobyte on is copied each time it
// doubles, and takes twice the memory.
func nextBatchBytes(n int) int {
	if n <= reusedBatchBytes {
		return 0
	}
	return min(n+n/8, maxBatchBytes)
}

func (s *Store) commitBatch(b *pebble.Batch, durability *pebble.WriteOptions) error {
	start := time.Now()
	err := s.attempt(func() error { return b.Commit(durability) })
	if err == nil && durability.Sync {
		s.metrics.Synced(time.Since(start))
	}
	return err
}

// txn is a transaction: the entries that one Apply applies. They write to one batch and
// read through it, so that each entry sees the writes of those before it.
type txn struct {
	batch   *pebble.Batch
	at      time.Time // of the entry that is being applied
	state   state
	sizes   Sizes
	changes []notify.Change
	err     error // the first failed write; checked before the commit

	histories     *histories       // the cache of the store
	dirty         []*cachedHistory // histories with changes that are not in the batch yet
	touched       []*cachedHistory // histories that the current entry has changed
	discardsEmpty bool             // whether histories without notifications are discarded; set while a Cleanup is applied
	buffer        []byte           // reused for values on their way to the batch
	key           []byte           // reused for keys
	record        []byte           // encoded form of the notification that is being inserted

	// Changes to what the store has in memory, made after the commit.
	revocations  []revocationChange
	generations  []notify.Generation
	indexChanges []indexChange

	maxMarkChanges int // of the rules, or less in tests
	walkBudget     int // of the rules, or less in tests

	replication *replication // nil: the store is not replicated
	perEntry    bool         // the changes of each entry are written to the batch before the next entry

	formerPruned int // number of users whose former memberships the current entry has pruned

	recounts []owner // owners whose readers need new counts because of the current entry

	removing     cause         // why notifications are being removed
	removedUsers []removedUser // from whose histories the notification was removed that is being removed
}

// applySafely calls applyAll and turns a panic into ErrNotApplied: any user may have
// caused the entry, and no entry may end the process. After an error the caller must
// discard the cached histories.
func (tx *txn) applySafely(first notify.Sequence, entries []notify.Stamped) (verdicts []notify.Verdict, err error) {
	defer func() {
		if p := recover(); p != nil {
			verdicts, err = nil, &applyPanic{sequence: tx.state.last, text: fmt.Sprintf("%v\n%s", p, debug.Stack())}
		}
	}()
	return tx.applyAll(first, entries)
}

// applyAll applies entries and writes all their changes to the batch.
func (tx *txn) applyAll(first notify.Sequence, entries []notify.Stamped) ([]notify.Verdict, error) {
	tx.changes = make([]notify.Change, 0, len(entries))
	verdicts := make([]notify.Verdict, 0, len(entries))
	before := tx.state.last
	for i, e := range entries {
		tx.advance(first+notify.Sequence(i), e.Time)
		v, err := tx.apply(tx.state.last, e.Entry)
		if err != nil {
			return nil, fmt.Errorf("apply entry %d: %w", v.Sequence, err)
		}
		if tx.replication != nil {
			tx.replication.extend(tx, v.Sequence, e.Entry)
		}
		if tx.perEntry {
			tx.setHistories()
		}
		verdicts = append(verdicts, v)
	}
	tx.setHistories()
	tx.setValue([]byte{kindState}, tx.state)
	tx.setSizes()
	tx.mergeSpan(before)
	if tx.replication != nil {
		tx.setPosition()
	}
	return verdicts, tx.err
}

// advance sets the sequence and the time of the next entry. Times have a resolution of
// milliseconds and never decrease. An impossible time counts as that of the predecessor.
func (tx *txn) advance(seq notify.Sequence, at time.Time) {
	if !notify.IsEntryTime(at) {
		at = time.UnixMilli(1)
	}
	tx.at = latest(tx.state.time, at.UTC().Truncate(time.Millisecond))
	tx.state.last, tx.state.time = seq, tx.at
}

func (tx *txn) apply(seq notify.Sequence, e notify.Entry) (notify.Verdict, error) {
	tx.recounts, tx.formerPruned = tx.recounts[:0], 0
	v := notify.Verdict{Sequence: seq}
	if v.Err = notify.Validate(e); v.Err != nil {
		if p, ok := e.(interface{ reason() error }); ok {
			v.Err = p.reason()
		}
		return v, nil
	}
	var err error
	switch e := e.(type) {
	case notify.Publish:
		v.Receipt, err = tx.publish(seq, e)
	case notify.Release:
		err = tx.releaseDeferred(seq, e)
	case notify.Mark:
		err = tx.mark(seq, e, &v)
	case notify.Members:
		err = tx.changeMembers(seq, e, &v)
	case notify.Delivered:
		err = tx.deliver(e)
	case notify.Erase:
		v.Rest, err = tx.erase(seq, e)
		v.More = v.Rest != ""
	case notify.UserTopics:
		err = tx.setTopics(seq, e, &v)
	case notify.UserPreferences:
		err = tx.setPreferences(seq, e)
	case notify.Recall:
		err = tx.recall(seq, e)
	case notify.Cleanup:
		v.More, err = tx.applyCleanup(e)
	case notify.Generation:
		err = tx.generation(seq, e)
	case notify.Revocation:
		err = tx.revoke(e)
	case notify.Ticket:
		err = tx.ticket(e)
	case notify.Redemption:
		v.Principal, err = tx.redeem(e)
	}
	if isVerdict(err) {
		v.Err, err = err, nil
	}
	tx.emitRecount()
	tx.countHistories()
	return v, err
}

// isVerdict reports whether err is the outcome of an entry, and not a failure of the store.
func isVerdict(err error) bool {
	return err != nil && (errors.Is(err, notify.ErrKeyReused) || errors.Is(err, notify.ErrInvalid) || errors.Is(err, notify.ErrTokenInvalid) || errors.Is(err, notify.ErrNotFound) ||
		errors.Is(err, notify.ErrUnavailable))
}

// emitRecount emits a Recount for the readers whose counts the entry has changed by an unknown
// number.
func (tx *txn) emitRecount() {
	if len(tx.recounts) == 0 {
		return
	}
	to := readersOf(tx.recounts)
	if to.All {
		to = notify.Readers{All: true}
	}
	slices.Sort(to.Users)
	slices.Sort(to.Topics)
	to.Users, to.Topics = slices.Compact(to.Users), slices.Compact(to.Topics)
	tx.changes = append(tx.changes, notify.Recount{To: to})
}

// mergeSpan records that the sequences after before were applied.
func (tx *txn) mergeSpan(before notify.Sequence) {
	if tx.state.last <= before {
		return
	}
	tx.buffer = spans{{before + 1, tx.state.last}}.append(tx.buffer[:0])
	if err := tx.batch.Merge([]byte{kindSpans}, tx.buffer, nil); err != nil && tx.err == nil {
		tx.err = err
	}
}

// setValue encodes v and writes it to the batch.
func (tx *txn) setValue(key []byte, v interface{ append(dst []byte) []byte }) {
	tx.buffer = v.append(tx.buffer[:0])
	tx.set(key, tx.buffer)
}

// set and remove write to the batch. The first failure is kept in tx.err.
func (tx *txn) set(key, value []byte) {
	if err := tx.batch.Set(key, value, nil); err != nil && tx.err == nil {
		tx.err = err
	}
}

func (tx *txn) remove(key []byte) {
	if err := tx.batch.Delete(key, nil); err != nil && tx.err == nil {
		tx.err = err
	}
}
