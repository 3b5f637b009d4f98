package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
)

// Apply applies entries as the sequences from first on, and returns when no power cut
// can take them back: a verdict for each, and the changes to pass on, in order. The
// entries of one call are one transaction, and no verdict, change or record depends on
// which entries share one. An entry whose time is before that of its predecessor gets
// the time of that. ErrNotApplied means that applying them panicked and
// has changed nothing. Any other error means that it is not known
// whether they are durable, and that no more may be applied.
func (s *Store) Apply(first notify.Sequence, entries []notify.Stamped) ([]notify.Verdict, []notify.Change, error) {
	tx := &txn{
		batch:          s.db.NewIndexedBatch(),
		state:          s.state,
		histories:      &s.histories,
		buffer:         s.buffer,
		record:         s.record,
		maxMarkChanges: s.maxMarkChanges,
	}
	defer tx.batch.Close()
	verdicts, err := tx.applySafely(first, entries)
	if err == nil {
		s.snapshots.applied.Store(uint64(tx.state.last)) // before it can be read
		s.snapshots.truncated.Store(uint64(tx.state.truncated))
		err = tx.batch.Commit(pebble.Sync)
	}
	if err != nil {
		s.histories = histories{}
		return nil, nil, fmt.Errorf("apply entries from %d: %w", first, err)
	}
	s.watermark.raise(tx.state.last) // before anybody hears of it
	s.state, s.buffer, s.record = tx.state, tx.buffer, tx.record
	s.publishUsage()
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

// txn is a transaction: the entries that one Apply applies. Its batch is read through
// by all of them, so that each entry sees those before it.
type txn struct {
	batch   *pebble.Batch
	at      time.Time // of the entry that is being applied
	state   state
	changes []notify.Change
	err     error // the first write that failed

	histories     *histories       // of the store
	dirty         []*cachedHistory // of them, and not in the batch yet
	touched       []*cachedHistory // of them, by the entry that is being applied
	discardsEmpty bool             // whether histories that have nothing but a hole are given up
	buffer        []byte           // for a value on its way to the batch
	key           []byte           // likewise
	record        []byte           // of the notification that is being kept

	// For memory, once all is durable.
	revocations  []revocationChange
	generations  []notify.Generation
	indexChanges []indexChange

	maxMarkChanges int // see markMost

	refresh []owner // whose readers have lost what they may have counted, in the entry
}

// applySafely is applyAll, and makes ErrNotApplied of a panic: an entry may have
// been made by any user, and none may end the process. The caller must reset the
// histories in memory.
func (tx *txn) applySafely(first notify.Sequence, entries []notify.Stamped) (verdicts []notify.Verdict, err error) {
	defer func() {
		if p := recover(); p != nil {
			verdicts, err = nil, fmt.Errorf("%w: panic: %v\n%s", notify.ErrNotApplied, p, debug.Stack())
		}
	}()
	return tx.applyAll(first, entries)
}

// applyAll applies entries, and leaves all that they change in the batch.
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
		verdicts = append(verdicts, v)
	}
	tx.setHistories()
	tx.setValue([]byte{kindState}, tx.state)
	tx.mergeSpan(before)
	return verdicts, tx.err
}

// advance sets the sequence and the time of the next entry. Times are kept in
// milliseconds, and never go backwards.
func (tx *txn) advance(seq notify.Sequence, at time.Time) {
	tx.at = latest(tx.state.time, at.UTC().Truncate(time.Millisecond))
	tx.state.last, tx.state.time = seq, tx.at
}

func (tx *txn) apply(seq notify.Sequence, e notify.Entry) (notify.Verdict, error) {
	tx.refresh = tx.refresh[:0]
	v := notify.Verdict{Sequence: seq}
	var err error
	switch e := e.(type) {
	case notify.Publish:
		v.Receipt, err = tx.publish(seq, e)
	case notify.Release:
		err = tx.releaseDeferred(seq, e)
	case notify.Mark:
		err = tx.mark(seq, e, &v)
	case notify.Recall:
		err = tx.recall(seq, e)
	case notify.Sweep:
		v.More, err = tx.applySweep(e)
	case notify.Generation:
		tx.set(sequenceKey(kindGeneration, seq), appendGeneration(nil, e))
		tx.generations = append(tx.generations, notify.Generation{ID: e.ID, First: seq, Secret: e.Secret})
	case notify.Revocation:
		err = tx.revoke(e)
	case notify.Ticket:
		err = tx.ticket(e)
	case notify.Redemption:
		v.Principal, err = tx.redeem(e)
	default:
		return v, fmt.Errorf("unknown entry %T", e)
	}
	if isVerdict(err) {
		v.Err, err = err, nil
	}
	tx.emitRefresh()
	tx.countHistories()
	return v, err
}

// isVerdict reports whether err is what was decided, and no failure.
func isVerdict(err error) bool {
	return errors.Is(err, notify.ErrKeyReused) || errors.Is(err, notify.ErrTokenInvalid) || errors.Is(err, notify.ErrNotFound) ||
		errors.Is(err, notify.ErrUnavailable)
}

// emitRefresh has the readers of what has lost something count anew.
func (tx *txn) emitRefresh() {
	if len(tx.refresh) == 0 {
		return
	}
	to := readersOf(tx.refresh)
	if to.All {
		to = notify.Readers{All: true}
	}
	slices.Sort(to.Users)
	slices.Sort(to.Topics)
	to.Users, to.Topics = slices.Compact(to.Users), slices.Compact(to.Topics)
	tx.changes = append(tx.changes, notify.Recount{To: to})
}

func (tx *txn) publish(seq notify.Sequence, e notify.Publish) (notify.Receipt, error) {
	if (e.Audience == notify.AudienceUser) != (len(e.Users) > 0) || (e.Audience == notify.AudienceTopic) != (len(e.Topics) > 0) {
		return notify.Receipt{}, fmt.Errorf("a publish to %q with %d users and %d topics", e.Audience, len(e.Users), len(e.Topics))
	}
	receipt := notify.Receipt{ID: e.ID, Recipients: len(e.Users)}
	keyed, deferred := e.Key != (notify.Key{}), e.DeliverAt.After(tx.at) && !e.Ephemeral
	if keyed {
		first, used, err := tx.usedKey(e.Key)
		if err != nil || used {
			return first, err
		}
	}
	if (keyed || deferred) && sizeLimitOf(e.MaxBytes).refuses(&tx.state) {
		return notify.Receipt{}, errFull
	}
	if keyed {
		tx.recordKey(e.Key, receipt)
	}
	if deferred {
		tx.storeDeferred(seq, e)
		return receipt, nil
	}
	return receipt, tx.publishNow(seq, e)
}

// publishNow tells users what e says, now.
func (tx *txn) publishNow(seq notify.Sequence, e notify.Publish) error {
	n := e.Notification(seq, tx.at)
	if e.Ephemeral {
		tx.changes = append(tx.changes, &n)
		return nil
	}
	return tx.insert(&n, e)
}

// usedKey returns the first answer under k, if k was used for the same thing,
// and ErrKeyReused if it was used for another.
func (tx *txn) usedKey(k notify.Key) (first notify.Receipt, used bool, err error) {
	key := idempotencyKey(k.Name)
	b, err := get(tx.batch, key)
	if err != nil || b == nil {
		return first, false, err
	}
	u, err := readUsedKey(b)
	switch {
	case err != nil:
		return first, false, err
	case tx.at.Sub(u.at) >= notify.KeyLifetime: // not swept yet
		tx.remove(key)
		tx.refund(key, len(b))
		return first, false, nil
	case u.fingerprint != k.Fingerprint:
		return first, true, notify.Errorf(notify.ErrKeyReused, "the key was used for a request with another body")
	}
	first = u.receipt
	first.Duplicate = true
	return first, true, nil
}

func (tx *txn) recordKey(k notify.Key, r notify.Receipt) {
	key, end := idempotencyKey(k.Name), expiryKey(tx.at.Add(notify.KeyLifetime), kindKey, k.Name[:])
	tx.setValue(key, usedKey{tx.at, k.Fingerprint, r})
	tx.charge(key, len(tx.buffer))
	tx.set(end, nil)
	tx.charge(end, 0)
}

// remember stores n, puts it into the histories that it belongs to, and tells it.
func (tx *txn) insert(n *notify.Notification, e notify.Publish) error {
	tx.record = appendNotification(tx.record[:0], n)
	tx.state.bytes += size(n, tx.record)
	if isInlined(n) { // extend writes it
		tx.buffer = appendInlineRef(tx.buffer[:0], n.Users[0])
		tx.set(sequenceKey(kindNotification, n.Sequence), tx.buffer)
	} else {
		tx.set(sequenceKey(kindNotification, n.Sequence), tx.record)
	}
	tx.key = appendIDKey(tx.key[:0], e.ID)
	tx.set(tx.key, binary.BigEndian.AppendUint64(tx.buffer[:0], uint64(n.Sequence)))
	if !n.Expires.IsZero() {
		tx.set(notificationExpiryKey(n), nil)
	}
	if n.CollapseKey != "" {
		return tx.insertCollapsing(n, e.Keep)
	}
	tx.changes = append(tx.changes, n)
	if n.Audience == notify.AudienceUser { // nearly all are
		for _, u := range n.Users {
			if err := tx.addItem(ofUser(u), n, userItem{}, e.Keep); err != nil {
				return err
			}
		}
		return nil
	}
	for _, o := range ownersOf(n) {
		if err := tx.addItem(o, n, userItem{}, e.Keep); err != nil {
			return err
		}
	}
	return nil
}

// size is what a notification takes: its record, its place, an entry in each history,
// when it ends, and how many hold it.
func size(n *notify.Notification, record []byte) uint64 {
	const key, perName, end, holders = 1 + 8, 2, 1 + 8 + 1 + 8, 1 + 8 + 8
	total := uint64(len(record) + key + locationBytes)
	if !n.Expires.IsZero() {
		total += end
	}
	if len(n.Users)+len(n.Topics) > 1 {
		total += holders
	}
	for _, u := range n.Users {
		total += uint64(key + perName + len(u))
	}
	for _, t := range n.Topics {
		total += uint64(key + perName + len(t))
		for _, p := range patternsOf(string(t)) {
			total += uint64(key + perName + len(p) + len(t))
		}
	}
	return total
}

func notificationExpiryKey(n *notify.Notification) []byte {
	return expiryKey(n.Expires, kindNotification, binary.BigEndian.AppendUint64(nil, uint64(n.Sequence)))
}

// dropReference tells n that one of its owners has let go of it, and removes it when
// it was the last.
func (tx *txn) dropReference(n *notify.Notification, bytes uint64) error {
	if owners := len(n.Users) + len(n.Topics); owners > 1 {
		key := sequenceKey(kindRefCount, n.Sequence)
		b, err := get(tx.batch, key)
		if err != nil {
			return err
		}
		holders := uint64(owners)
		if b != nil {
			holders = binary.BigEndian.Uint64(b)
		}
		if holders > 1 {
			tx.set(key, binary.BigEndian.AppendUint64(nil, holders-1))
			return nil
		}
	}
	tx.deleteRecord(n, bytes)
	return nil
}

// deleteRecord removes the record of a notification that is in no history any more.
func (tx *txn) deleteRecord(n *notify.Notification, bytes uint64) {
	tx.remove(sequenceKey(kindNotification, n.Sequence))
	tx.remove(sequenceKey(kindRefCount, n.Sequence))
	tx.remove(idKey(n.ID()))
	if !n.Expires.IsZero() {
		tx.remove(notificationExpiryKey(n))
	}
	tx.state.bytes -= bytes
}

// notification reads a record, and how many bytes it takes.
func (tx *txn) notification(seq notify.Sequence) (notify.Notification, uint64, error) {
	b, err := readRecordOf(tx.batch, seq)
	if err != nil {
		return notify.Notification{}, 0, err
	}
	n, err := readNotification(seq, b)
	return n, size(&n, b), err
}

// readerNotification reads a record but for who else was told. There must be one.
func (tx *txn) readerNotification(seq notify.Sequence) (notify.Notification, error) {
	b, err := readRecordOf(tx.batch, seq)
	if err != nil {
		return notify.Notification{}, err
	}
	return readForReader(seq, b)
}

// mergeSpan notes that the sequences after before were applied.
func (tx *txn) mergeSpan(before notify.Sequence) {
	if tx.state.last <= before {
		return
	}
	tx.buffer = spans{{before + 1, tx.state.last}}.append(tx.buffer[:0])
	if err := tx.batch.Merge([]byte{kindSpans}, tx.buffer, nil); err != nil && tx.err == nil {
		tx.err = err
	}
}

// setValue is set, for what can write itself.
func (tx *txn) setValue(key []byte, v interface{ append(dst []byte) []byte }) {
	tx.buffer = v.append(tx.buffer[:0])
	tx.set(key, tx.buffer)
}

// set and remove write to the batch; a failure stays in tx.err, which Apply
// looks at before it commits.
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
