package service

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/wire"
)

// Call says where a publish came from, for its idempotency key.
type Call struct {
	Path string
	Key  string // the caller's idempotency key; empty: none
}

// Publish publishes d for one who may, and returns when it is durable; if it is
// ephemeral, when it is on its way. Its errors are of the kinds ErrScope,
// ErrInvalid, ErrLimit, ErrInProgress, ErrKeyReused, ErrUnavailable and
// ErrOutcomeUnknown.
func (s *Service) Publish(ctx context.Context, by notify.Principal, call Call, d notify.Draft) (notify.Receipt, error) {
	e, r, done := s.take(ctx, by, call, alone, &d)
	if !done {
		v := s.opts.Journal.Append(ctx, e)[0]
		r = Result{v.Receipt, v.Err}
		s.end(e.Key)
	}
	s.note(&d, r)
	return r.Receipt, r.Err
}

// Result is what became of one item of a batch.
type Result struct {
	Receipt notify.Receipt
	Err     error
}

// PublishBatch publishes items that share a commit, and returns what became of
// each. Item i has the idempotency key (key, i), so that a retry completes what
// failed.
func (s *Service) PublishBatch(ctx context.Context, by notify.Principal, call Call, items []wire.BatchItem) []Result {
	results := make([]Result, len(items))
	entries := make([]notify.Entry, 0, len(items))
	keys := make([]notify.Key, 0, len(items)) // of the entries
	places := make([]int, 0, len(items))      // of the entries in results
	for i := range items {
		if err := items[i].Err; err != nil {
			results[i].Err = err
			continue
		}
		e, r, done := s.take(ctx, by, call, i, &items[i].Draft)
		if results[i] = r; !done {
			entries, keys, places = append(entries, e), append(keys, e.Key), append(places, i)
		}
	}
	if len(entries) > 0 {
		for k, v := range s.opts.Journal.Append(ctx, entries...) {
			results[places[k]] = Result{v.Receipt, v.Err}
			s.end(keys[k])
		}
	}
	for i := range results {
		s.note(&items[i].Draft, results[i])
	}
	return results
}

// alone is the place of a draft that is in no batch.
const alone = -1

// take makes of d, which is at place in a batch, an entry for the journal; its
// key is in use until end. If nothing is to be appended, since d was refused or
// is on its way, it is done and r is what became of it.
func (s *Service) take(ctx context.Context, by notify.Principal, call Call, place int, d *notify.Draft) (e notify.Publish, r Result, done bool) {
	e, err := s.entry(by, d)
	if err == nil && call.Key != "" {
		e.Key = idempotencyKey(by, call, place, d)
		err = s.begin(e.Key)
	}
	switch {
	case err != nil:
		return e, Result{Err: err}, true
	case e.Ephemeral && call.Key == "":
		n := e.Notification(0, time.Now())
		if err := s.opts.Peers.Deliver(ctx, &n); err != nil {
			return e, Result{Err: fmt.Errorf("deliver an ephemeral notification: %w", err)}, true
		}
		return e, Result{Receipt: notify.Receipt{ID: e.ID, Recipients: len(e.Users)}}, true
	}
	return e, Result{}, false
}

// entry checks d against the rules and writes it as an entry.
func (s *Service) entry(by notify.Principal, d *notify.Draft) (notify.Publish, error) {
	scope := notify.ScopePublish
	if d.All {
		scope = notify.ScopeBroadcast
	}
	if err := by.May(scope); err != nil {
		return notify.Publish{}, err
	}
	if err := by.MayReach(d); err != nil {
		return notify.Publish{}, err
	}
	if faults := d.Check(time.Now(), s.opts.Retention); len(faults) > 0 {
		return notify.Publish{}, notify.Invalid(faults...)
	}
	if err := s.Ready(); err != nil {
		return notify.Publish{}, err
	}
	if err := s.withinRate(by, d); err != nil {
		return notify.Publish{}, err
	}
	id := uuid.Must(uuid.NewV7()).String()
	return notify.Publish{
		By:          by.Name,
		ID:          id,
		Audience:    audience(d),
		Users:       distinct(d.Users),
		Topics:      distinct(d.Topics),
		CollapseKey: d.CollapseKey,
		Content:     wire.AppendContent(nil, id, d),
		TTL:         d.TTL,
		Ephemeral:   d.Ephemeral,
		DeliverAt:   d.DeliverAt,
		Keep:        s.opts.Keep,
		MaxBytes:    s.opts.MaxBytes,
	}, nil
}

// withinRate takes one from what by may publish. It counts what is asked for: a
// retry that turns out to be a duplicate, too.
func (s *Service) withinRate(by notify.Principal, d *notify.Draft) error {
	if d.All {
		return s.opts.Broadcasts.Allow(by.Name, 1)
	}
	return s.opts.Publishes.Allow(by.Name, 1)
}

func distinct[T ~string](names []T) []T {
	if len(names) < 2 {
		return names
	}
	seen := make(map[T]bool, len(names))
	return slices.DeleteFunc(slices.Clone(names), func(name T) bool {
		again := seen[name]
		seen[name] = true
		return again
	})
}

// idempotencyKey hashes what makes a key unique; the place in a batch is of it.
func idempotencyKey(by notify.Principal, call Call, place int, d *notify.Draft) notify.Key {
	h := sha256.New()
	for _, s := range []string{by.Name, call.Path, call.Key} {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(s)))
		h.Write(length[:])
		h.Write([]byte(s))
	}
	if place != alone {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(place))) //nolint:gosec // of at most notify.MaxBatch
	}
	return notify.Key{Name: [32]byte(h.Sum(nil)), Fingerprint: wire.Fingerprint(d.Source)}
}

// begin notes that k is in use, until end. It fails with ErrInProgress if it is
// already, since what the first use came to cannot be told yet.
func (s *Service) begin(k notify.Key) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.inProgress[k.Name]; taken {
		return notify.Errorf(notify.ErrInProgress, "the first request with this key is still being stored")
	}
	s.inProgress[k.Name] = struct{}{}
	return nil
}

func (s *Service) end(k notify.Key) {
	if k == (notify.Key{}) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.inProgress, k.Name)
}

// note counts what became of d.
func (s *Service) note(d *notify.Draft, r Result) {
	if r.Err == nil && !d.DeliverAt.IsZero() {
		s.noteDeferred(d.DeliverAt)
	}
	s.opts.Metrics.Published(audience(d), outcome(d, r))
}

func audience(d *notify.Draft) notify.Audience {
	switch {
	case d.All:
		return notify.AudienceAll
	case len(d.Topics) > 0:
		return notify.AudienceTopic
	}
	return notify.AudienceUser
}

func outcome(d *notify.Draft, r Result) string {
	switch {
	case r.Err != nil:
		return "refused"
	case r.Receipt.Duplicate:
		return "duplicate"
	case d.Ephemeral:
		return "ephemeral"
	case d.DeliverAt.After(time.Now()):
		return "deferred"
	}
	return "stored"
}

// Recall takes a notification back: open connections are told, and no inbox and
// no replay has it any more. A full disk does not hinder it. Its errors are of
// the kinds ErrNotFound, if there is none with this id or it reaches anybody whom
// by may not administer, ErrUnavailable, and ErrOutcomeUnknown, after which it
// does no harm to recall again.
func (s *Service) Recall(ctx context.Context, by notify.Principal, id string) error {
	if !wire.IsID(id) {
		return notify.Errorf(notify.ErrNotFound, "no notification has such an id")
	}
	err := s.opts.Journal.Append(ctx, notify.Recall{ID: id, Within: by.Bound(), Keep: s.opts.Keep})[0].Err
	if errors.Is(err, notify.ErrOutcomeUnknown) {
		return notify.Errorf(notify.ErrOutcomeUnknown, "the recall did not become durable in time; it does no harm to try again")
	}
	return err
}
