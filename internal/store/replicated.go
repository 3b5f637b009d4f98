package store

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/entry"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/pack"
)

// A replicated store follows the journal of a cluster. Its transactions are not synced, and it
// has no watermark, because entries that it loses are applied again from the journal. Each
// transaction contains the position in the journal up to which entries were applied, and the
// running hash: after a power cut, the store has an earlier position, and continues from there.

// replica is the position of a replicated store in its journal, and the running hash.
type replica struct {
	position notify.Position
	hash     notify.RunningHash // after the last entry
	lastHash atomic.Uint64      // latest sequence whose hash is kept
}

// replication is the part of a transaction that concerns the journal of a cluster.
type replication struct {
	position notify.Position // after the transaction
	hash     notify.RunningHash
	buffer   []byte
}

// ApplyAt applies entries like Apply, for a replicated store. It records in the same
// transaction that the journal was applied up to p. The entries are not durable: the
// journal must have them until a checkpoint contains them.
func (s *Store) ApplyAt(p notify.Position, first notify.Sequence, entries []notify.Stamped) ([]notify.Verdict, []notify.Change, error) {
	return s.applyLogged(first, entries, &replication{position: p})
}

// Adopt makes the store, which was not replicated before, the beginning of a cluster's
// journal: the first message of the journal is applied to it. That is durable when Adopt
// returns. It must be called before the first ApplyAt.
func (s *Store) Adopt(journal string) error {
	s.replica.position = notify.Position{Journal: journal}
	if err := s.attempt(func() error { return s.db.Set([]byte{kindPosition}, s.replica.append(nil), pebble.Sync) }); err != nil {
		return fmt.Errorf("record the journal of the store: %w", err)
	}
	return nil
}

// Position returns the position of a replicated store in its journal. It must not be called
// while ApplyAt runs.
func (s *Store) Position() notify.Position { return s.replica.position }

// LastHash returns the latest sequence whose running hash is kept, 0 if there is none.
func (s *Store) LastHash() notify.Sequence { return notify.Sequence(s.replica.lastHash.Load()) }

// HashAt returns the running hash at a sequence. It is kept at the last keptHashes multiples
// of hashEvery.
func (s *Store) HashAt(seq notify.Sequence) (hash notify.RunningHash, ok bool, err error) {
	b, err := get(s.db, sequenceKey(kindHash, seq))
	if err != nil || b == nil {
		return hash, false, err
	}
	if len(b) != len(hash) {
		return hash, false, errCorrupt
	}
	return notify.RunningHash(b), true, nil
}

// extend extends the running hash by an entry that was just applied: by the entry, its time,
// and the record of the state after it.
func (r *replication) extend(tx *txn, seq notify.Sequence, e notify.Entry) {
	b := append(r.buffer[:0], r.hash[:]...)
	b = pack.AppendMillis(b, tx.at)
	b = tx.state.append(b)
	b = entry.Append(b, e)
	r.hash, r.buffer = sha256.Sum256(b), b
	if seq%hashEvery != 0 {
		return
	}
	tx.set(sequenceKey(kindHash, seq), r.hash[:])
	if seq > hashEvery*keptHashes {
		tx.remove(sequenceKey(kindHash, seq-hashEvery*keptHashes))
	}
}

// append encodes the position and the running hash.
func (r *replica) append(dst []byte) []byte { return appendPosition(dst, r.position, r.hash) }

func appendPosition(dst []byte, p notify.Position, hash notify.RunningHash) []byte {
	dst = pack.AppendString(dst, p.Journal)
	dst = binary.AppendUvarint(dst, p.Message)
	return append(append(dst, p.Digest[:]...), hash[:]...)
}

// setPosition writes the position and the running hash to the batch.
func (tx *txn) setPosition() {
	tx.buffer = appendPosition(tx.buffer[:0], tx.replication.position, tx.replication.hash)
	tx.set([]byte{kindPosition}, tx.buffer)
}

// committed updates r after a transaction was committed.
func (r *replica) committed(done *replication, last notify.Sequence) {
	r.position, r.hash = done.position, done.hash
	if kept := last / hashEvery * hashEvery; kept > 0 {
		r.lastHash.Store(uint64(kept))
	}
}

// readPosition reads the position and the running hash; zero if the store was not
// replicated.
func readPosition(r pebble.Reader) (p notify.Position, hash notify.RunningHash, err error) {
	b, err := get(r, []byte{kindPosition})
	if err != nil || b == nil {
		return p, hash, err
	}
	fields := pack.NewReader(b)
	p.Journal, p.Message = fields.String(), fields.Uint()
	copy(p.Digest[:], fields.Bytes(uint64(len(p.Digest))))
	copy(hash[:], fields.Bytes(uint64(len(hash))))
	return p, hash, fields.End()
}

// loadReplica reads the position. A store that is opened alone leaves its cluster, since its
// next entries are not those of the journal.
func (s *Store) loadReplica(replicated bool) (err error) {
	if s.replica.position, s.replica.hash, err = readPosition(s.db); err != nil {
		return fmt.Errorf("read the position in the journal: %w", err)
	}
	if !replicated {
		if err := removeFile(s.fs, journalPath(s.dir)); err != nil {
			return err
		}
		if s.replica.position == (notify.Position{}) {
			return nil
		}
		s.log.Warn("the store followed the journal of a cluster and now leaves it; it continues alone", "journal", s.replica.position.Journal)
		return s.leave()
	}
	return each(s.db, []byte{kindHash}, endOfKind(kindHash), func(k, _ []byte) (bool, error) {
		s.replica.lastHash.Store(uint64(sequenceOf(k)))
		return true, nil
	})
}

// leave deletes the position and the hashes.
func (s *Store) leave() error {
	s.replica.position, s.replica.hash = notify.Position{}, notify.RunningHash{}
	b := s.db.NewBatch()
	defer b.Close()
	if err := errors.Join(b.Delete([]byte{kindPosition}, nil), b.DeleteRange([]byte{kindHash}, endOfKind(kindHash), nil)); err != nil {
		return err
	}
	return b.Commit(pebble.Sync)
}

// removeWatermark removes the watermark of a store that was not replicated before. In a replicated
// store, missing newest entries are no loss.
func (s *Store) removeWatermark() error {
	return removeFile(s.fs, watermarkPath(s.dir))
}
