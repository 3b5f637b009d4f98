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

// Call is the request that a publish came with. It is part of the idempotency key.
type Call struct {
	Path string
	Key  string // the caller's idempotency key; empty: none

	trace *notify.Trace // set by the service
}

// Publish publishes d on behalf of by. It returns when the notification is durable,
// or, if that is ephemeral, when it was handed to the connections. Its errors are of
// the kinds ErrScope, ErrInvalid, ErrLimit, ErrInProgress, ErrKeyReused,
// ErrUnavailable and ErrOutcomeUnknown.
func (s *Service) Publish(ctx context.Context, by notify.Principal, call Call, d notify.Draft) (notify.Receipt, error) {
	start := time.Now()
	trace, end := s.tracePublish(ctx, 1)
	call.trace = trace
	e, r, done := s.prepare(ctx, by, call, noIndex, &d)
	if !done {
		v := s.opts.Journal.Append(ctx, e)[0]
		r = Result{v.Receipt, v.Err}
		s.releaseKey(e.Key)
		s.stored(start, r.Err == nil)
	}
	s.published(&d, r)
	end(r.Err)
	return r.Receipt, r.Err
}

// Result is the outcome of one item of a batch.
type Result struct {
	Receipt notify.Receipt
	Err     error
}

// PublishBatch publishes items with one append to the journal, and returns the result
// of each. Item i has the idempotency key (key, i), so a retry publishes only the items
// that failed.
func (s *Service) PublishBatch(ctx context.Context, by notify.Principal, call Call, items []wire.BatchItem) []Result {
	start := time.Now()
	results := make([]Result, len(items))
	entries := make([]notify.Entry, 0, len(items))
	keys := make([]notify.Key, 0, len(items)) // of the entries
	indexes := make([]int, 0, len(items))     // of the entries in results
	trace, end := s.tracePublish(ctx, len(items))
	call.trace = trace
	for i := range items {
		if err := items[i].Err; err != nil {
			results[i].Err = err
			continue
		}
		e, r, done := s.prepare(ctx, by, call, i, &items[i].Draft)
		if results[i] = r; !done {
			entries, keys, indexes = append(entries, e), append(keys, e.Key), append(indexes, i)
		}
	}
	if len(entries) > 0 {
		accepted := false
		for k, v := range s.opts.Journal.Append(ctx, entries...) {
			results[indexes[k]] = Result{v.Receipt, v.Err}
			s.releaseKey(keys[k])
			accepted = accepted || v.Err == nil
		}
		s.stored(start, accepted)
	}
	for i := range results {
		s.published(&items[i].Draft, results[i])
	}
	end(nil) // each item has an outcome of its own
	return results
}

// noIndex is the index of a draft that is in no batch.
const noIndex = -1

// prepare returns the entry for d, which has an index in its batch; the key of the
// entry is in progress until releaseKey. If done is true, nothing is to be appended:
// d was refused, or is ephemeral and was delivered, and r is the result.
func (s *Service) prepare(ctx context.Context, by notify.Principal, call Call, index int, d *notify.Draft) (e notify.Publish, r Result, done bool) {
	e, err := s.entry(by, d)
	e.Trace = call.trace
	if err == nil && call.Key != "" {
		e.Key = idempotencyKey(by, call, index, d)
		err = s.claimKey(e.Key)
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

// entry checks d against the rules and returns it as an entry.
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
		Except:      distinct(d.Except),
		CollapseKey: d.CollapseKey,
		Content:     wire.AppendContent(nil, id, d),
		TTL:         d.TTL,
		Ephemeral:   d.Ephemeral,
		Receipt:     d.Receipt,
		DeliverAt:   notify.StorableTime(d.DeliverAt),
		Keep:        s.opts.Keep,
		MaxBytes:    s.opts.MaxBytes,
	}, nil
}

// withinRate counts a publish against the rate of by, and returns an error of kind
// ErrLimit beyond it. A retry counts, even if it turns out to be a duplicate.
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

// idempotencyKey returns the key of a draft: the owner, and a hash over the principal, the path,
// the caller's key and the index in the batch.
func idempotencyKey(by notify.Principal, call Call, index int, d *notify.Draft) notify.Key {
	h := sha256.New()
	for _, s := range []string{by.Name, call.Path, call.Key} {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(s)))
		h.Write(length[:])
		h.Write([]byte(s))
	}
	if index != noIndex {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(index))) //nolint:gosec // less than notify.MaxBatch
	}
	k := notify.Key{Fingerprint: wire.Fingerprint(d.Source)}
	owner := notify.KeyOwner(by.Name)
	copy(k.Name[copy(k.Name[:], owner[:]):], h.Sum(nil))
	return k
}

// claimKey marks k as in progress, until releaseKey. It returns ErrInProgress if k
// is in progress already: the result of the first request is not known yet.
func (s *Service) claimKey(k notify.Key) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, claimed := s.inProgress[k.Name]; claimed {
		return notify.Errorf(notify.ErrInProgress, "the first request with this idempotency key is still being stored; retry later")
	}
	s.inProgress[k.Name] = struct{}{}
	return nil
}

func (s *Service) releaseKey(k notify.Key) {
	if k == (notify.Key{}) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.inProgress, k.Name)
}

// stored notes how long a publish took that began at start, unless all of it was refused.
func (s *Service) stored(start time.Time, accepted bool) {
	if accepted {
		s.opts.Metrics.Stored(time.Since(start))
	}
}

// published counts the result of d, and has it released in time if it is deferred.
func (s *Service) published(d *notify.Draft, r Result) {
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

// Recall removes a notification from all inboxes and replays, and open connections
// receive the change. It works on a full disk. Its errors are of the kinds ErrNotFound,
// if no notification has this ID or one of its users is beyond the issuer of by,
// ErrUnavailable, and ErrOutcomeUnknown, after which a retry does no harm.
func (s *Service) Recall(ctx context.Context, by notify.Principal, id string) error {
	if !wire.IsID(id) {
		return notify.Errorf(notify.ErrNotFound, "no notification has this id")
	}
	err := s.opts.Journal.Append(ctx, notify.Recall{ID: id, Within: by.Bound(), Keep: s.opts.Keep})[0].Err
	if errors.Is(err, notify.ErrOutcomeUnknown) {
		return notify.Errorf(notify.ErrOutcomeUnknown, "the recall did not become durable in time; a retry does no harm")
	}
	return err
}
