package store

import (
	"encoding/binary"
	"fmt"
	"iter"

	"github.com/cockroachdb/pebble/v2"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/pack"
)

// content is a kind of records other than notifications, as operators see it.
type content int

const (
	contentKeys content = iota
	contentDeferred
	contentCollapse
	contentUsers
	contentTopics // of patterns and of everyone, too
	contentChanges
	contentReadState
	contentMembers
	contentPreferences
	contentReceipts
	contentTickets
	contentRevocations
	contentErasures
	numContents
)

func (c content) String() string {
	return [...]string{
		contentKeys:        "idempotency-keys",
		contentDeferred:    "deferred-publishes",
		contentCollapse:    "collapse-keys",
		contentUsers:       "user-histories",
		contentTopics:      "topic-histories",
		contentChanges:     "inbox-changes",
		contentReadState:   "read-state",
		contentMembers:     "memberships",
		contentPreferences: "preferences",
		contentReceipts:    "receipts",
		contentTickets:     "tickets",
		contentRevocations: "revocations",
		contentErasures:    "erasures",
	}[c]
}

// contentOf returns the content to which a record belongs that is counted among the other ones. An
// expiry key belongs to the content of its record, and an ID to a deferred publish.
func contentOf(key []byte) content {
	kind := key[0]
	if kind == kindExpiry {
		_, kind, _ = expiryOf(key)
	}
	switch kind {
	case kindKey:
		return contentKeys
	case kindDeferred, kindID:
		return contentDeferred
	case kindCollapse:
		return contentCollapse
	case kindHistory:
		return contentUsers
	case kindHistoryTopic, kindHistoryAll:
		return contentTopics
	case kindChange:
		return contentChanges
	case kindReadEveryone, kindReadFeed, kindReadMulti:
		return contentReadState
	case kindMembership, kindMember:
		return contentMembers
	case kindPreferences:
		return contentPreferences
	case kindDelivery:
		return contentReceipts
	case kindTicket:
		return contentTickets
	case kindRevocation:
		return contentRevocations
	case kindErased, kindErasing:
		return contentErasures
	}
	return numContents
}

// content returns the content to which the record of a history belongs.
func (o owner) content() content {
	if o.isShared() {
		return contentTopics
	}
	return contentUsers
}

// Sizes are the sizes of the records other than notifications, in bytes. They add up to
// Usage.Other.
type Sizes [numContents]uint64

// All returns each content with its name.
func (c *Sizes) All() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		for i, bytes := range c {
			if !yield(content(i).String(), bytes) {
				return
			}
		}
	}
}

func (c *Sizes) add(of content, bytes uint64) {
	if of < numContents {
		c[of] += bytes
	}
}

func (c *Sizes) subtract(of content, bytes uint64) {
	if of < numContents {
		c[of] -= min(c[of], bytes)
	}
}

// The record of the sizes is of this node alone: neither the record of the state nor the running hash
// has it. A version that does not know it does not write it, so it has the sequence at which it is right.

func (c *Sizes) append(dst []byte, last notify.Sequence) []byte {
	dst = binary.AppendUvarint(dst, uint64(last))
	for _, bytes := range c {
		dst = binary.AppendUvarint(dst, bytes)
	}
	return dst
}

// setSizes writes the sizes to the batch.
func (tx *txn) setSizes() {
	tx.buffer = tx.sizes.append(tx.buffer[:0], tx.state.last)
	tx.set([]byte{kindContents}, tx.buffer)
}

// readSizes decodes the sizes at a sequence. It returns false if the record is of another one, or of a
// version with other contents.
func readSizes(b []byte, at notify.Sequence) (sizes Sizes, ok bool) {
	r := pack.NewReader(b)
	last := notify.Sequence(r.Uint())
	for i := range sizes {
		sizes[i] = r.Uint()
	}
	return sizes, r.End() == nil && last == at
}

// loadSizes reads the sizes. In a store whose last entry another version has applied, it reads all
// records instead, which takes about eight seconds for each gigabyte.
func (s *Store) loadSizes() error {
	b, err := get(s.db, []byte{kindContents})
	if err != nil {
		return err
	}
	var ok bool
	if s.sizes, ok = readSizes(b, s.state.last); ok {
		return nil
	}
	if s.sizes, err = countSizes(s.db); err != nil {
		return fmt.Errorf("count the sizes of the contents: %w", err)
	}
	return nil
}

// countSizes reads all records and returns their sizes.
func countSizes(r pebble.Reader) (sizes Sizes, err error) {
	for kind := range byte(kindExpiry + 1) {
		if kind == kindID || kind != kindExpiry && contentOf([]byte{kind}) == numContents {
			continue
		}
		err := each(r, []byte{kind}, endOfKind(kind), func(k, v []byte) (bool, error) {
			sizes.add(contentOf(k), recordBytes(k, len(v)))
			if kind != kindDeferred {
				return true, nil
			}
			e, err := readDeferred(v)
			sizes.add(contentDeferred, recordBytes(idKey(e.ID), len(k)-1)) // its location, as removeDeferred counts it
			return true, err
		})
		if err != nil {
			return Sizes{}, err
		}
	}
	return sizes, nil
}
