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

// Apply applies entries as the sequences from first on, all at the time at, and
// returns when no power cut can take them back: a verdict for each, and the
// changes to pass on, in order. ErrNotApplied means that applying them panicked and
// has changed nothing. Any other error means that it is not known
// whether they are durable, and that no more may be applied.
func (s *Store) Apply(first notify.Sequence, at time.Time, entries []notify.Entry) ([]notify.Verdict, []notify.Change, error) {
	g := &group{
		batch:     s.db.NewIndexedBatch(),
		at:        at.UTC().Truncate(time.Millisecond), // as finely as it is stored
		state:     s.state,
		histories: &s.histories,
		buffer:    s.buffer,
		record:    s.record,
		markMost:  s.markMost,
	}
	defer g.batch.Close()
	verdicts, err := g.applySafely(first, entries)
	if err == nil {
		s.views.applied.Store(uint64(g.state.last)) // before it can be read
		s.views.folded.Store(uint64(g.state.folded))
		err = g.batch.Commit(pebble.Sync)
	}
	if err != nil {
		s.histories = histories{}
		return nil, nil, fmt.Errorf("apply entries from %d: %w", first, err)
	}
	s.watermark.raise(g.state.last) // before anybody hears of it
	s.state, s.buffer, s.record = g.state, g.buffer, g.record
	s.noteUsage()
	s.histories.turn()
	s.revocations.apply(g.revoked)
	s.views.turn()
	s.ranks.apply(g.steps)
	return verdicts, g.told, nil
}

// group is what is applied together: one batch, read through, so that each
// entry sees those before it.
type group struct {
	batch *pebble.Batch
	at    time.Time
	state state
	told  []notify.Change
	err   error // the first write that failed

	histories *histories // of the store
	changed   []*known   // of them, and not in the batch yet
	touched   []*known   // of them, by the entry that is being applied
	folds     bool       // whether histories that have nothing but a hole are given up
	buffer    []byte     // for a value on its way to the batch
	key       []byte     // likewise
	record    []byte     // of the notification that is being kept

	// For memory, once all is durable.
	revoked []revoked
	steps   []step

	markMost int // see markMost

	recount []owner // whose readers have lost what they may have counted, in the entry
}

// applySafely is applyAll, and makes ErrNotApplied of a panic: an entry may have
// been made by any user, and none may end the process. The caller must reset the
// histories in memory.
func (g *group) applySafely(first notify.Sequence, entries []notify.Entry) (verdicts []notify.Verdict, err error) {
	defer func() {
		if p := recover(); p != nil {
			verdicts, err = nil, fmt.Errorf("%w: panic: %v\n%s", notify.ErrNotApplied, p, debug.Stack())
		}
	}()
	return g.applyAll(first, entries)
}

// applyAll applies entries, and leaves all that they change in the batch.
func (g *group) applyAll(first notify.Sequence, entries []notify.Entry) ([]notify.Verdict, error) {
	g.told = make([]notify.Change, 0, len(entries))
	verdicts := make([]notify.Verdict, 0, len(entries))
	before := g.state.last
	for i, e := range entries {
		v, err := g.apply(first+notify.Sequence(i), e)
		if err != nil {
			return nil, fmt.Errorf("apply entry %d: %w", v.Sequence, err)
		}
		verdicts = append(verdicts, v)
	}
	g.setHistories()
	g.setValue([]byte{kindState}, g.state)
	g.mergeSpan(before)
	return verdicts, g.err
}

func (g *group) apply(seq notify.Sequence, e notify.Entry) (notify.Verdict, error) {
	g.state.last = seq
	g.recount = g.recount[:0]
	v := notify.Verdict{Sequence: seq}
	var err error
	switch e := e.(type) {
	case notify.Publish:
		v.Receipt, err = g.publish(seq, e)
	case notify.Release:
		err = g.releaseDeferred(seq, e)
	case notify.Mark:
		err = g.mark(seq, e, &v)
	case notify.Recall:
		err = g.recall(seq, e)
	case notify.Sweep:
		v.More, err = g.sweep(e)
	case notify.Generation:
		g.set(sequenceKey(kindGeneration, seq), appendGeneration(nil, e))
	case notify.Revocation:
		err = g.revoke(e)
	case notify.Ticket:
		err = g.ticket(e)
	case notify.Redemption:
		v.Principal, err = g.redeem(e)
	default:
		return v, fmt.Errorf("unknown entry %T", e)
	}
	if isVerdict(err) {
		v.Err, err = err, nil
	}
	g.tellRecounts()
	g.countHistories()
	return v, err
}

// isVerdict reports whether err is what was decided, and no failure.
func isVerdict(err error) bool {
	return errors.Is(err, notify.ErrKeyReused) || errors.Is(err, notify.ErrTokenInvalid) || errors.Is(err, notify.ErrNotFound) ||
		errors.Is(err, notify.ErrUnavailable)
}

// tellRecounts has the readers of what has lost something count anew.
func (g *group) tellRecounts() {
	if len(g.recount) == 0 {
		return
	}
	to := readersOf(g.recount)
	if to.All {
		to = notify.Readers{All: true}
	}
	slices.Sort(to.Users)
	slices.Sort(to.Topics)
	to.Users, to.Topics = slices.Compact(to.Users), slices.Compact(to.Topics)
	g.told = append(g.told, notify.Recount{To: to})
}

func (g *group) publish(seq notify.Sequence, e notify.Publish) (notify.Receipt, error) {
	if (e.Audience == notify.AudienceUser) != (len(e.Users) > 0) || (e.Audience == notify.AudienceTopic) != (len(e.Topics) > 0) {
		return notify.Receipt{}, fmt.Errorf("a publish to %q with %d users and %d topics", e.Audience, len(e.Users), len(e.Topics))
	}
	receipt := notify.Receipt{ID: e.ID, Recipients: len(e.Users)}
	keyed, deferred := e.Key != (notify.Key{}), e.DeliverAt.After(g.at) && !e.Ephemeral
	if keyed {
		first, used, err := g.usedKey(e.Key)
		if err != nil || used {
			return first, err
		}
	}
	if (keyed || deferred) && boundOf(e.MaxBytes).refuses(&g.state) {
		return notify.Receipt{}, errFull
	}
	if keyed {
		g.useKey(e.Key, receipt)
	}
	if deferred {
		g.deferUntil(seq, e)
		return receipt, nil
	}
	return receipt, g.tell(seq, e)
}

// tell tells users what e says, now.
func (g *group) tell(seq notify.Sequence, e notify.Publish) error {
	n := e.Notification(seq, g.at)
	if e.Ephemeral {
		g.told = append(g.told, &n)
		return nil
	}
	return g.keep(&n, e)
}

// usedKey returns the first answer under k, if k was used for the same thing,
// and ErrKeyReused if it was used for another.
func (g *group) usedKey(k notify.Key) (first notify.Receipt, used bool, err error) {
	key := idempotencyKey(k.Name)
	b, err := get(g.batch, key)
	if err != nil || b == nil {
		return first, false, err
	}
	u, err := readUsedKey(b)
	switch {
	case err != nil:
		return first, false, err
	case g.at.Sub(u.at) >= notify.KeyLifetime: // not swept yet
		g.remove(key)
		g.let(key, len(b))
		return first, false, nil
	case u.fingerprint != k.Fingerprint:
		return first, true, notify.Errorf(notify.ErrKeyReused, "the key was used for a request with another body")
	}
	first = u.receipt
	first.Duplicate = true
	return first, true, nil
}

func (g *group) useKey(k notify.Key, r notify.Receipt) {
	key, end := idempotencyKey(k.Name), endKey(g.at.Add(notify.KeyLifetime), kindKey, k.Name[:])
	g.setValue(key, usedKey{g.at, k.Fingerprint, r})
	g.held(key, len(g.buffer))
	g.set(end, nil)
	g.held(end, 0)
}

// keep stores n, puts it into the histories that it belongs to, and tells it.
func (g *group) keep(n *notify.Notification, e notify.Publish) error {
	g.record = appendNotification(g.record[:0], n)
	g.state.bytes += size(n, g.record)
	if isOwn(n) { // extend writes it
		g.buffer = appendOwner(g.buffer[:0], n.Users[0])
		g.set(sequenceKey(kindNotification, n.Sequence), g.buffer)
	} else {
		g.set(sequenceKey(kindNotification, n.Sequence), g.record)
	}
	g.key = appendIDKey(g.key[:0], e.ID)
	g.set(g.key, binary.BigEndian.AppendUint64(g.buffer[:0], uint64(n.Sequence)))
	if !n.Expires.IsZero() {
		g.set(endOfNotification(n), nil)
	}
	if n.CollapseKey != "" {
		return g.keepCollapsing(n, e.Keep)
	}
	g.told = append(g.told, n)
	if n.Audience == notify.AudienceUser { // nearly all are
		for _, u := range n.Users {
			if err := g.extend(ofUser(u), n, told{}, e.Keep); err != nil {
				return err
			}
		}
		return nil
	}
	for _, o := range ownersOf(n) {
		if err := g.extend(o, n, told{}, e.Keep); err != nil {
			return err
		}
	}
	return nil
}

// size is what a notification takes: its record, its place, an entry in each history,
// when it ends, and how many hold it.
func size(n *notify.Notification, record []byte) uint64 {
	const key, perName, end, holders = 1 + 8, 2, 1 + 8 + 1 + 8, 1 + 8 + 8
	total := uint64(len(record) + key + placeBytes)
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

func endOfNotification(n *notify.Notification) []byte {
	return endKey(n.Expires, kindNotification, binary.BigEndian.AppendUint64(nil, uint64(n.Sequence)))
}

// release tells n that one of its owners has let go of it, and removes it when
// it was the last.
func (g *group) release(n *notify.Notification, bytes uint64) error {
	if owners := len(n.Users) + len(n.Topics); owners > 1 {
		key := sequenceKey(kindHolders, n.Sequence)
		b, err := get(g.batch, key)
		if err != nil {
			return err
		}
		holders := uint64(owners)
		if b != nil {
			holders = binary.BigEndian.Uint64(b)
		}
		if holders > 1 {
			g.set(key, binary.BigEndian.AppendUint64(nil, holders-1))
			return nil
		}
	}
	g.forget(n, bytes)
	return nil
}

// forget removes the record of a notification that is in no history any more.
func (g *group) forget(n *notify.Notification, bytes uint64) {
	g.remove(sequenceKey(kindNotification, n.Sequence))
	g.remove(sequenceKey(kindHolders, n.Sequence))
	g.remove(idKey(n.ID()))
	if !n.Expires.IsZero() {
		g.remove(endOfNotification(n))
	}
	g.state.bytes -= bytes
}

// notification reads a record, and how many bytes it takes.
func (g *group) notification(seq notify.Sequence) (notify.Notification, uint64, error) {
	b, err := recordOf(g.batch, seq)
	if err != nil {
		return notify.Notification{}, 0, err
	}
	n, err := readNotification(seq, b)
	return n, size(&n, b), err
}

// forReader reads a record but for who else was told. There must be one.
func (g *group) forReader(seq notify.Sequence) (notify.Notification, error) {
	b, err := recordOf(g.batch, seq)
	if err != nil {
		return notify.Notification{}, err
	}
	return readForReader(seq, b)
}

// mergeSpan notes that the sequences after before were applied.
func (g *group) mergeSpan(before notify.Sequence) {
	if g.state.last <= before {
		return
	}
	g.buffer = spans{{before + 1, g.state.last}}.append(g.buffer[:0])
	if err := g.batch.Merge([]byte{kindSpans}, g.buffer, nil); err != nil && g.err == nil {
		g.err = err
	}
}

// setValue is set, for what can write itself.
func (g *group) setValue(key []byte, v interface{ append(dst []byte) []byte }) {
	g.buffer = v.append(g.buffer[:0])
	g.set(key, g.buffer)
}

// set and remove write to the batch; a failure stays in g.err, which Apply
// looks at before it commits.
func (g *group) set(key, value []byte) {
	if err := g.batch.Set(key, value, nil); err != nil && g.err == nil {
		g.err = err
	}
}

func (g *group) remove(key []byte) {
	if err := g.batch.Delete(key, nil); err != nil && g.err == nil {
		g.err = err
	}
}
