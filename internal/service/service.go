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
	Lease   notify.Lease    // under which this node runs upkeep
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

	// marking lets a user change read state once at a time.
	marking *limit.Slots

	redemptions *limit.Limiter // by ticket

	diskFull  atomic.Bool   // the disk has less free space than the reserve
	dueSooner chan struct{} // of capacity 1: a deferred notification may be due before releaseDeferred looks again

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
		redemptions: limit.New(notify.Rate{Name: "redemptions", Quota: redemptionsMost, Window: notify.TicketLifetime}, 0),
		inProgress:  map[[32]byte]struct{}{},
		marking:     limit.NewSlots(0, 1),
		dueSooner:   make(chan struct{}, 1),
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
