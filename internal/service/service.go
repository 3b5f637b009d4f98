// Package service holds the rules: who may publish what and how often, whose
// ticket or token is good no more, what a user has read, how a connection takes
// up its user's history and joins the live road, what a cursor is, when what was
// deferred is delivered, and when what is past its time is swept. It leaves the
// order of entries to the journal, their keeping to the store, and sockets to
// others.
package service

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// Store is what the inbox reads: the state that the journal's entries have come
// to on this node.
type Store interface {
	History(r notify.Reader, after, upTo notify.Sequence, limit int) (store.Page, error)
	List(r notify.Reader, before, upTo notify.Sequence, state notify.InboxState, limit int, now time.Time) (store.List, error)
	Unread(r notify.Reader, upTo notify.Sequence) (int, error)
	Due(now time.Time, s notify.Sweep) (bool, error)
	DueDeferred(now time.Time, most int) (due []notify.Deferred, next time.Time, err error)
	Revoked(p notify.Principal) bool
	Free() (uint64, error)
	SyncWatermark() error
	Err() error
}

// Issuers knows the issuers whose tokens are accepted now: package auth.
type Issuers interface {
	// Issuer returns the issuer with a name, nil if there is none.
	Issuer(name string) *notify.Issuer

	// OnlyIssuer returns the issuer if there is only one, else nil.
	OnlyIssuer() *notify.Issuer
}

// Metrics hears of what is published.
type Metrics interface {
	// Published is called once for each notification asked for. The outcome is
	// stored, deferred, ephemeral, duplicate or refused.
	Published(audience notify.Audience, outcome string)
}

// Options say by which rules to go.
type Options struct {
	Journal notify.Journal
	Store   Store
	Hub     *hub.Hub
	Cursors *cursor.Keyring // has each generation of the journal once that is applied
	Peers   notify.Peers    // all nodes, for what is not journalled
	Issuers Issuers         // nil: any
	Logger  *slog.Logger
	Metrics Metrics

	Retention time.Duration // for how long a notification is kept at most
	Keep      int           // how many of a user's are kept: the newest
	MaxBytes  int64         // of all that is kept; 0: no limit
	Reserve   uint64        // free bytes on the disk below which nothing is published
	PingEvery time.Duration // told to clients

	// What a principal may publish, to everyone, and to users and topics; nil: no
	// limit.
	Broadcasts, Publishes *limit.Limiter

	// How many notifications a user may mark; nil: no limit.
	Marks *limit.Limiter

	// How many requests a principal may make. A connection that catches up with a
	// long history is charged as several; nil: no limit.
	Requests *limit.Principals
}

// Service is the one way to publish and to receive.
type Service struct {
	opts    Options
	cursors *cursor.Keyring

	// joins and lists limit how many pages of history are read at a time, for
	// connections that join and for GET /inbox, apart from each other and shared by
	// principal. Nobody waits for a peer while it holds one.
	joins, lists *limit.Slots

	// pagesOf and pages limit how many connections that join hold a page in memory
	// until their peer has taken it, of a principal and, by address, in all: ten
	// thousand may come back at once. Where both are acquired, pagesOf comes first.
	pagesOf, pages *limit.Slots

	marking *limit.Slots // one for each user

	redemptions *limit.Limiter // by ticket

	full   atomic.Bool   // the disk has less than the reserve
	sooner chan struct{} // has room for one: something is due sooner than release would look

	mu         sync.Mutex
	inProgress map[[32]byte]struct{} // idempotency keys whose first use is not done
}

// Open begins a new generation of cursors in the journal and returns an inbox.
func Open(ctx context.Context, o Options) (*Service, error) {
	g := notify.Generation{Rules: notify.RulesVersion}
	var id [8]byte
	rand.Read(id[:]) // never fails: crypto/rand
	rand.Read(g.Secret[:])
	g.ID = binary.BigEndian.Uint64(id[:])
	if err := o.Journal.Append(ctx, g)[0].Err; err != nil {
		return nil, fmt.Errorf("begin a generation: %w", err)
	}
	s := &Service{
		opts:        o,
		cursors:     o.Cursors,
		joins:       limit.NewSlots(readersMost, readersEach),
		lists:       limit.NewSlots(readersMost, readersEach),
		pagesOf:     limit.NewSlots(0, pagesEach),
		pages:       limit.NewSlots(pagesMost, pagesMost/2),
		marking:     limit.NewSlots(0, 1),
		redemptions: limit.New(notify.Rate{Name: "redemptions", Quota: redemptionsMost, Window: notify.TicketLifetime}, 0),
		inProgress:  map[[32]byte]struct{}{},
		sooner:      make(chan struct{}, 1),
	}
	s.watchDisk()
	return s, nil
}

// How many pages of history are read at a time, in all and for one principal. They
// wait for the disk: more of them would take memory, and be no faster.
const (
	readersMost = 16
	readersEach = 4
)

// How many connections that join hold a page at a time, of up to some 150 kB with
// the frames that are made of it, in all and of one principal. Those of one address
// hold half at most.
const (
	pagesMost = 256
	pagesEach = 4
)

// upkeepEvery is how often the disk is looked at and what is past its time is
// looked for.
const upkeepEvery = time.Second

// Run keeps house until ctx ends: it sweeps, watches the disk, and delivers what
// was deferred when it is due.
func (s *Service) Run(ctx context.Context) {
	var releasing sync.WaitGroup
	defer releasing.Wait()
	releasing.Go(func() { s.release(ctx) })
	tick := time.NewTicker(upkeepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s.watchDisk()
			if err := s.opts.Store.SyncWatermark(); err != nil {
				s.opts.Logger.Warn("syncing the watermark failed", "error", err)
			}
			err := safely(func() error { return s.sweep(ctx, now) })
			if err != nil && ctx.Err() == nil {
				s.opts.Logger.Error("sweeping failed", "error", err)
			}
		}
	}
}

// safely makes an error of a panic, which must not end the process.
func safely(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return do()
}

// sweep removes all that is past its time, a bounded number at a time.
func (s *Service) sweep(ctx context.Context, now time.Time) error {
	sweep := notify.Sweep{Retention: s.opts.Retention, MaxBytes: s.opts.MaxBytes}
	due, err := s.opts.Store.Due(now, sweep)
	if err != nil {
		return fmt.Errorf("look for what is past its time: %w", err)
	}
	for due && ctx.Err() == nil {
		v := s.opts.Journal.Append(ctx, sweep)[0]
		if v.Err != nil {
			return fmt.Errorf("append a sweep: %w", v.Err)
		}
		due = v.More
	}
	return nil
}

// watchDisk stops publishing before the disk is full, and lets it go on when
// there is room again.
func (s *Service) watchDisk() {
	free, err := s.opts.Store.Free()
	if err != nil {
		s.opts.Logger.Warn("the free space of the disk cannot be read", "error", err)
		return
	}
	full := free < s.opts.Reserve
	switch was := s.full.Swap(full); {
	case full && !was:
		s.opts.Logger.Warn("disk below reserve; publishing refused", "free", free, "reserve", s.opts.Reserve)
	case was && !full:
		s.opts.Logger.Info("disk above reserve again; publishing resumed", "free", free, "reserve", s.opts.Reserve)
	}
}

// Ready returns nil if this node can publish and replay, and otherwise an error
// of kind ErrUnavailable that says what is wrong.
func (s *Service) Ready() error {
	if err := s.opts.Store.Err(); err != nil {
		return notify.Errorf(notify.ErrUnavailable, "the store has failed")
	}
	if s.full.Load() {
		return notify.Errorf(notify.ErrUnavailable, "the disk is nearly full")
	}
	return nil
}
