package hub

import (
	"hash/maphash"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
)

// shardCount is the number of shards, each with a lock, over which users are spread.
const shardCount = 128

// Options configure a Hub. A zero value stands for the default in its comment.
type Options struct {
	PerUser    int           // connections of a user: 20; one more ends the oldest
	QueueLen   int           // events queued for a connection, at most: 256
	QueueBytes int           // and their bytes: 1 MiB
	PingEvery  time.Duration // 25 s
	Silence    time.Duration // after which a peer that sends nothing is ended: 60 s
	Leeway     time.Duration // by which a connection outlives its token: none

	// Limits for all connections together; 0: no limit.
	Connections int // slots of Admit
	PerAddress  int // of them for one address, or IPv6 /64
	QueuedBytes int // bytes queued; a connection gets at most as many as are left

	// Count counts the notifications of r up to a sequence, by their read state. A
	// connection ends if ok is false. The wheel calls it and waits: once a second at
	// most for a connection after a Recount, and for one that was sent no cursor for
	// about FreshEvery (10 minutes), which then receives a newer one. nil: neither is
	// done.
	Count      func(r notify.Reader, upTo notify.Sequence) (n notify.Counts, ok bool)
	FreshEvery time.Duration

	// Written is called after a notification that wants a receipt was written to a
	// connection of u. It must not wait. nil: it is not called.
	Written func(u notify.UserID, n *notify.Notification)

	// Withdrawals counts how often issuers were withdrawn (notify.Issuer). When it has
	// grown, the wheel ends the connections of withdrawn issuers; nil: none ever is.
	Withdrawals func() uint64

	Metrics   Metrics          // nil: none
	Logger    *slog.Logger     // nil: none
	WallClock func() time.Time // with which the expiry of tokens is compared: time.Now
}

func (o *Options) setDefaults() {
	setDefault(&o.PerUser, 20)
	setDefault(&o.QueueLen, 256)
	setDefault(&o.QueueBytes, 1<<20)
	setDefault(&o.PingEvery, 25*time.Second)
	setDefault(&o.Silence, time.Minute)
	setDefault(&o.FreshEvery, 10*time.Minute)
	if o.Withdrawals == nil {
		o.Withdrawals = func() uint64 { return 0 }
	}
	if o.Metrics == nil {
		o.Metrics = noMetrics{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.WallClock == nil {
		o.WallClock = time.Now
	}
}

func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

// Hub knows the connections of this node.
type Hub struct {
	// Set by New, then read-only.
	opts   Options
	seed   maphash.Seed
	start  time.Time // ticks and silence are counted from here, on the monotonic clock
	shards [shardCount]shard

	subscriptions subscriptions // of all shards

	limits    atomic.Pointer[Limits]
	admission *Admission
	budget    *limit.Budget // of bytes queued for all connections; frames that they share count once for each

	ready   ready
	workers int // at most

	batches   sync.Pool
	count     atomic.Int64
	delivered atomic.Uint64                 // the argument of the last Reached
	counted   int                           // the shard whose connections are counted first at the next tick; used by Run alone
	draining  atomic.Pointer[time.Duration] // the window, once Drain was called

	// tasks counts each registered connection, each that is claimed by a writer, each
	// worker and each call of Transport.Close. It grows from zero in Register alone, and
	// not once draining is set.
	tasks sync.WaitGroup
}

// shard is the connections of some users. Its lock guards them: see the package comment.
type shard struct {
	hub    *Hub
	number int

	mu         sync.Mutex
	users      map[notify.UserID][]*Conn       // oldest first
	topics     map[notify.TopicPattern][]*Conn // that receive it; no list is empty
	members    map[notify.UserID]*memberTopics // of users with connections; nil: none
	muting     map[notify.UserID]muting        // of users with connections, those whose preferences hide or have hidden something
	recount    recount
	wheel      wheel
	writes     uint32    // batches taken by writers
	queueTaken sync.Cond // on mu: a long queue was taken, or its connection is blocked
}

// New returns a hub without connections. The caller must call Run, and Drain in the end.
func New(opts Options) *Hub {
	opts.setDefaults()
	h := &Hub{opts: opts, seed: maphash.MakeSeed(), start: time.Now(), workers: runtime.GOMAXPROCS(0)}
	h.subscriptions = newSubscriptions()
	h.limits.Store(&Limits{opts.PerUser, opts.QueueLen, opts.QueueBytes, opts.Connections, opts.PerAddress, opts.QueuedBytes})
	h.admission = NewAdmission(opts.Connections, opts.PerAddress)
	h.budget = limit.NewBudget(int64(h.opts.QueuedBytes))
	for i := range h.shards {
		s := &h.shards[i]
		s.hub, s.number = h, i
		s.users, s.wheel = make(map[notify.UserID][]*Conn), newWheel(&h.opts)
		s.topics = make(map[notify.TopicPattern][]*Conn)
		s.members = make(map[notify.UserID]*memberTopics)
		s.muting = make(map[notify.UserID]muting)
		s.queueTaken.L = &s.mu
	}
	return h
}

// NewConn returns a connection of p, which receives nothing before Register. id is its
// name in the API and in logs: a UUIDv7, which has the time at which it was opened. The
// connection takes the slot that Admit returned; nil: it has none.
func (h *Hub) NewConn(p notify.Principal, id string, slot *Slot, t Transport) *Conn {
	return &Conn{shard: h.shardOf(p.User), principal: compact(p), id: id, transport: t, slot: slot.take()}
}

func (h *Hub) shardOf(u notify.UserID) *shard {
	return &h.shards[maphash.String(h.seed, string(u))%shardCount]
}

// since returns the monotonic time since the hub's start.
func (h *Hub) since() time.Duration { return time.Since(h.start) }

// Register adds c to the hub: it is joining until GoLive, and deliveries to it are noted
// from now on. If its user has too many connections, the oldest is ended. The error is of
// kind ErrDraining: then the caller must close c.
func (h *Hub) Register(c *Conn) error {
	s := c.shard
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.draining.Load() != nil {
		c.slot.leave()
		return notify.Errorf(notify.ErrDraining, "this node is stopping")
	}
	user := c.principal.user
	for len(s.users[user]) >= h.limits.Load().PerUser {
		s.endLocked(s.users[user][0], notify.CloseReplaced)
	}
	h.tasks.Add(1)
	h.count.Add(1)
	h.opts.Metrics.Opened(c.transport.Name())
	s.users[user] = append(s.users[user], c)
	s.subscribeLocked(c)
	c.phase = joining
	c.NoteActivity()
	s.wheel.enter(c, h.since(), &h.opts)
	return nil
}

// GoLive makes c live. With the events in first, c has received everything up to at. c
// receives first, then the ephemeral events that were held for it, then everything that
// is offered from now on. GoLive reports false, and does nothing, if something later than
// at was offered meanwhile, or if first is several events that would fill half of the
// queue. It reports true if c has ended.
//
// GoLive itself writes what the network accepts immediately, unless c has a writer already.
func (h *Hub) GoLive(c *Conn, at notify.Sequence, first ...*Event) bool {
	gone, writes := c.becomeLive(at, first)
	if writes {
		c.write()
	}
	return gone
}

// Count returns how many connections there are.
func (h *Hub) Count() int { return int(h.count.Load()) }

// Metrics counts what happens to connections. Its methods are called with locks held:
// they must neither wait nor call the hub.
type Metrics interface {
	Opened(transport string)
	Closed(transport string, why notify.Close)
	Delivered(events int)              // written to the transport
	Delayed(by time.Duration)          // from the entry of a notification until it was written; of one write in sampleEvery
	Dropped(events int, reason string) // queued but never written; the reason of the close, or DropJoining
}

// sampleEvery is the number of writes in a shard of which one is measured for Delayed: the
// clock is read for that.
const sampleEvery = 16

// DropJoining is the reason for dropping ephemeral events that came while a connection
// was joining and were more than are held for it.
const DropJoining = "joining"

type noMetrics struct{}

func (noMetrics) Opened(string)               {}
func (noMetrics) Closed(string, notify.Close) {}
func (noMetrics) Delivered(int)               {}
func (noMetrics) Delayed(time.Duration)       {}
func (noMetrics) Dropped(int, string)         {}
