package store

import (
	"bytes"
	"encoding/binary"

	"github.com/bellhop/bellhop/internal/notify"
)

// readStateRecord is a key of read state with its value.
type readStateRecord struct{ key, value []byte }

// pruneReadState deletes read state of removed notifications. It checks records with about limit
// intervals in all, and continues after the last record of the previous call. A Mark prunes the
// records of its own user; pruneReadState is for users who no longer mark anything.
func (tx *txn) pruneReadState(limit int) error {
	position := []byte{kindPruned}
	from, err := get(tx.batch, position)
	if err != nil {
		return err
	}
	records, done, err := tx.readStateRecords(from, limit)
	if err != nil {
		return err
	}
	for _, r := range records {
		if err := tx.pruneReadStateRecord(r); err != nil {
			return err
		}
	}
	if done { // the next call starts at the first record
		tx.remove(position)
	} else {
		tx.set(position, records[len(records)-1].key)
	}
	return tx.err
}

// readStateRecords returns the records of read state after a key, with about limit intervals in
// all; done says that no more follow.
func (tx *txn) readStateRecords(after []byte, limit int) (records []readStateRecord, done bool, err error) {
	for _, kind := range [...]byte{kindReadEveryone, kindReadFeed, kindReadMulti} {
		lower := []byte{kind}
		if bytes.Compare(after, endOfKind(kind)) >= 0 {
			continue
		}
		if bytes.Compare(after, lower) >= 0 {
			lower = append(bytes.Clone(after), 0)
		}
		err = each(tx.batch, lower, endOfKind(kind), func(k, v []byte) (bool, error) {
			if limit <= 0 {
				return false, nil
			}
			records = append(records, readStateRecord{bytes.Clone(k), bytes.Clone(v)})
			m, err := readIntervalsAt(k, v)
			limit -= max(1, len(m))
			return true, err
		})
		if err != nil || limit <= 0 {
			return records, false, err
		}
	}
	return records, true, nil
}

// readIntervalsAt decodes the intervals of a record. The record with the position of a
// user's pruning has none.
func readIntervalsAt(key, value []byte) (intervalSet, error) {
	if key[0] == kindReadFeed && len(feedOf(key)) == 0 {
		return nil, nil
	}
	return readIntervals(value)
}

// feedOf returns the feed in a key of read state.
func feedOf(key []byte) []byte { return key[1+2+int(binary.BigEndian.Uint16(key[1:])):] }

// pruneReadStateRecord removes the intervals of removed notifications from a record, and deletes
// the record if none is left.
func (tx *txn) pruneReadStateRecord(r readStateRecord) error {
	m, err := readIntervalsAt(r.key, r.value)
	if err != nil {
		return err
	}
	kept := everyone().itemKey
	switch r.key[0] {
	case kindReadFeed:
		kept = ofFeed(string(feedOf(r.key))).itemKey
	case kindReadMulti:
		kept = func(seq notify.Sequence) []byte { return sequenceKey(kindNotification, seq) }
	}
	next, err := m.pruned(tx.batch, kept)
	if err != nil || len(m) > 0 && len(next) == len(m) {
		return err
	}
	tx.refund(r.key, len(r.value))
	if len(next) == 0 {
		tx.remove(r.key)
		return nil
	}
	tx.setValue(r.key, next)
	tx.charge(r.key, len(tx.buffer))
	return nil
}

// A Mark that adds a record of read state to its user prunes a few others of them.

// pruneFeeds checks the next few feeds that the user has marked, and deletes the intervals of
// feeds without notifications. It stores the position at which the next call continues.
func (m *markOp) pruneFeeds() error {
	position := readFeedKey(m.Reader.User, "")
	from, err := get(m.batch, position)
	if err != nil {
		return err
	}
	var checked []string
	err = m.state.eachUnder("", string(from)+"\x00", func(feed string, _ intervalSet) (bool, error) {
		checked = append(checked, feed)
		return len(checked) < maxPrunedPerMark, nil
	})
	if err != nil {
		return err
	}
	for _, feed := range checked {
		h, err := m.history(ofFeed(feed))
		if err != nil {
			return err
		}
		if h.kept == h.multi {
			own, err := m.state.ownIntervals(feed)
			if err != nil {
				return err
			}
			m.state.set(feed, nil)
			m.setIntervals(readFeedKey(m.Reader.User, feed), own, nil)
		}
	}
	if from != nil {
		m.refund(position, len(from))
		m.remove(position)
	}
	if len(checked) == maxPrunedPerMark { // otherwise the next call starts at the first feed
		last := []byte(checked[len(checked)-1])
		m.set(position, last)
		m.charge(position, len(last))
	}
	return m.err
}

// pruneBlocks deletes the first blocks of the user if their notifications are removed.
func (m *markOp) pruneBlocks() error {
	prefix := readStatePrefix(kindReadMulti, m.Reader.User)
	var blocks []uint64
	err := each(m.batch, prefix, endOfPrefix(prefix), func(k, _ []byte) (bool, error) {
		blocks = append(blocks, uint64(sequenceOf(k)))
		return len(blocks) < maxPrunedPerMark, nil
	})
	if err != nil {
		return err
	}
	for _, b := range blocks {
		begin := notify.Sequence(b << blockBits)
		kept := false
		err := each(m.batch, sequenceKey(kindNotification, begin), sequenceKey(kindNotification, begin+1<<blockBits), func(_, _ []byte) (bool, error) {
			kept = true
			return false, nil
		})
		if err != nil {
			return err
		}
		if !kept {
			own, err := m.state.block(b)
			if err != nil {
				return err
			}
			m.state.setBlock(b, nil)
			m.setIntervals(readMultiKey(m.Reader.User, b), own, nil)
		}
	}
	return m.err
}
