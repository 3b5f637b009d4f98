// Package service holds the rules of the service, a file each:
//
//   - publish: permissions, rates and idempotency keys of publishes, and recalls
//   - readstate: changing read state
//   - preferences: how users are notified
//   - list: listing an inbox, and counting what a filter selects
//   - resume: how a connection catches up from its cursor and goes live
//   - deliver: which connections receive a change that was applied
//   - access: tickets, revocations, and what operators do to connections
//   - erase: the export and the erasure of a user
//   - trace: what became of a notification
//   - receipts: recording deliveries of notifications whose publishers want that
//   - upkeep: delivery of deferred notifications, and removal of expired entries
//   - ready: when this node can publish and replay
//
// The order of entries and their durability are left to the journal, the state to
// the store, connections to the hub, and bytes to the transports.
package service

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// Store is the state of this node that results from the journal's entries: package
// store.
type Store interface {
	History(r notify.Reader, after, upTo notify.Sequence, limit int) (store.Page, error)
	List(r notify.Reader, before, upTo notify.Sequence, f *notify.Filter, limit int, now time.Time) (store.List, error)
	Counts(r notify.Reader, upTo notify.Sequence) (notify.Counts, error)
	Subscriber(u notify.UserID) (store.Subscriber, error)
	Preferences(u notify.UserID) (notify.Preferences, error)
	Members(t notify.Topic, prefix string, after notify.UserID, limit int) (users []notify.UserID, more bool, err error)
	Trace(id string, user notify.UserID, upTo notify.Sequence, now time.Time) (t store.Trace, ok bool, err error)
	Removed(u notify.UserID, before, upTo notify.Sequence, limit int, now time.Time) (store.RemovedPage, error)
	CountMatching(r notify.Reader, upTo notify.Sequence, f *notify.Filter, by notify.Grouping) (notify.GroupedCounts, error)
	Export(u notify.UserID, from string) (store.ExportPage, error)
	Erasing() ([]notify.Erase, error)
	Unpurged() notify.Sequence
	Purge(ctx context.Context, upTo notify.Sequence) error
	Due(now time.Time, s notify.Cleanup) (bool, error)
	DueDeferred(now time.Time, most int) (due []notify.Deferred, next time.Time, err error)
	Revoked(p notify.Principal) bool
	Rules() uint32 // in force
	Free() (uint64, error)
	SyncWatermark() error
	Err() error
}

// Issuers are the issuers whose tokens are accepted now: package auth.
type Issuers interface {
	// Issuer returns the issuer with a name, nil if there is none.
	Issuer(name string) *notify.Issuer

	// OnlyIssuer returns the issuer if there is only one, else nil.
	OnlyIssuer() *notify.Issuer
}

// Metrics counts publishes, and connections that join.
type Metrics interface {
	// Published counts one requested notification. The outcome is "stored",
	// "deferred", "ephemeral", "duplicate" or "refused".
	Published(audience notify.Audience, outcome string)

	// Stored is called with the time that it took until a publish, or a batch of which at
	// least one item was accepted, was durable.
	Stored(took time.Duration)

	// Replayed is called with the number of notifications that a connection with a cursor
	// was sent before it was live, and Reset if its cursor could not be honoured.
	Replayed(notifications int)
	Reset(reason string)

	// Ticket counts a ticket that was "issued", "redeemed" or, when a client connected with it,
	// "refused".
	Ticket(outcome string)

	// Upkeep is called after each run of a task: "cleanup" of what has expired, "release" of deferred
	// notifications, "erasure" of users, "purge" of the files after one, "rules" to bring later
	// ones into force, and "receipts".
	Upkeep(task string, took time.Duration, failed bool)
}

// Options are the parts that a Service works with, and its limits.
type Options struct {
	Journal notify.Journal
	Store   Store
	Hub     *hub.Hub
	Cursors *cursor.Keyring // holds each generation of the journal as soon as that is applied
	Peers   notify.Peers    // all nodes, for what is not journalled
	Lease   notify.Lease    // under which this node runs upkeep
	Rules   func() uint32   // returns the latest version of the rules that all nodes can apply, 0 if that is unknown; nil: it always is
	Issuers Issuers         // nil: every issuer is accepted
	Logger  *slog.Logger
	Metrics Metrics
	Tracer  Tracer // nil: nothing is traced

	Retention time.Duration // the longest time that a notification is kept
	Keep      int           // the number of notifications that a history keeps: the newest
	MaxBytes  int64         // the size of all notifications that are kept; 0: no limit
	Reserve   uint64        // free bytes on the disk below which publishing is refused
	PingEvery time.Duration // the interval of pings, which clients learn from the welcome event

	// Broadcasts limits publishes to everyone by principal, and Publishes those to
	// users and topics; nil: no limit.
	Broadcasts, Publishes *limit.Limiter

	// Marks limits the notifications whose read state a user changes; nil: no limit.
	Marks *limit.Limiter

	// Requests limits the requests of a principal. A connection that catches up with
	// a long history counts as several; nil: no limit.
	Requests *limit.Principals
}

// Service applies the rules to what clients ask for. It may be used concurrently.
type Service struct {
	opts    Options
	cursors *cursor.Keyring

	// joins and lists limit how many pages of history are read at a time, by
	// principal: joins for connections that join, lists for GET /inbox and /inbox/counts. No caller
	// waits for a client while it holds a slot.
	joins, lists *limit.Slots

	// traces limits how many notifications are traced at a time, by principal. A caller holds its slot
	// while other nodes are asked.
	traces *limit.Slots

	// pagesOf, by principal, and pages, by address and in total, limit the connections
	// that hold a page of history in memory until their client has taken it: ten
	// thousand connections may resume at the same time. pagesOf is acquired before pages.
	pagesOf, pages *limit.Slots

	// marking has one slot for each user: changes of one user's read state and preferences run one
	// after another.
	marking *limit.Slots

	redemptions *limit.Limiter // attempts, by ticket

	// unknownTickets limits, for all callers together, the tickets for which this node
	// catches up with the others: strangers can make them up.
	unknownTickets *limit.Limiter

	diskFull  atomic.Bool   // the disk has less free space than the reserve
	dueSooner chan struct{} // of capacity 1: a deferred notification may be due before releaseDeferred looks again

	receipts receipts

	mu         sync.Mutex
	inProgress map[[32]byte]struct{} // idempotency keys whose first request is still being stored; guarded by mu
}

// Open appends a new generation to the journal, with which this node seals cursors
// and tickets, and returns a Service.
func Open(ctx context.Context, o Options) (*Service, error) {
	if err := beginGeneration(ctx, &o, o.commonRules()); err != nil {
		return nil, err
	}
	s := &Service{
		opts:           o,
		cursors:        o.Cursors,
		joins:          limit.NewSlots(maxReaders, maxReadersEach),
		lists:          limit.NewSlots(maxReaders, maxReadersEach),
		traces:         limit.NewSlots(maxReaders, maxReadersEach),
		pagesOf:        limit.NewSlots(0, maxPagesEach),
		pages:          limit.NewSlots(maxPages, maxPages/2),
		unknownTickets: limit.New(notify.Rate{Name: "unknown tickets", Quota: maxUnknownTickets, Window: time.Second}, 0),

		redemptions: limit.New(notify.Rate{Name: "redemptions", Quota: maxRedemptions, Window: notify.TicketLifetime}, 0),
		inProgress:  map[[32]byte]struct{}{},
		marking:     limit.NewSlots(0, 1),
		dueSooner:   make(chan struct{}, 1),
		receipts:    receipts{has: map[notify.Delivery]struct{}{}, wake: make(chan struct{}, 1)},
	}
	s.watchDisk()
	return s, nil
}

// commonRules returns the latest version of the rules that all nodes can apply, 0 if that is
// unknown.
func (o *Options) commonRules() uint32 {
	if o.Rules == nil {
		return 0
	}
	return o.Rules()
}

// beginGeneration appends a generation that brings rules into force, unless later ones are.
func beginGeneration(ctx context.Context, o *Options, rules uint32) error {
	g := notify.Generation{Rules: rules}
	var id [8]byte
	rand.Read(id[:]) // never fails: crypto/rand
	rand.Read(g.Secret[:])
	g.ID = binary.BigEndian.Uint64(id[:])
	if err := o.Journal.Append(ctx, g)[0].Err; err != nil {
		return fmt.Errorf("begin a generation: %w", err)
	}
	return nil
}

// maxUnknownTickets is the number of unknown tickets in one second for which the node catches
// up. New generations are rare.
const maxUnknownTickets = 10

// The number of pages of history that are read at a time, in total and for one
// principal. Reading waits for the disk, so more would take memory without being
// faster.
const (
	maxReaders     = 16
	maxReadersEach = 4
)

// The number of joining connections that hold a page at a time, in total and of one
// principal. Those of one address hold half of the total at most. A page takes up to
// 150 kB together with the events made of it.
const (
	maxPages     = 256
	maxPagesEach = 4
)
