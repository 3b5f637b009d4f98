package journal

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/semaphore"

	"github.com/bellhop/bellhop/internal/entry"
	"github.com/bellhop/bellhop/internal/notify"
)

// ReplicatedState is the state of a node in a cluster.
type ReplicatedState interface {
	// ApplyAt applies entries like StateMachine.Apply, without making them durable, and
	// records in the same transaction that the journal was applied up to p. After a
	// power cut, the state may be that of an earlier position.
	ApplyAt(p notify.Position, first notify.Sequence, entries []notify.Stamped) ([]notify.Verdict, []notify.Change, error)

	// LastHash returns the latest sequence whose running hash is kept, 0 if there is
	// none. All nodes keep the hashes of the same sequences.
	LastHash() notify.Sequence

	// HashAt returns the running hash at a sequence; ok is false if it is not kept, or
	// no longer.
	HashAt(s notify.Sequence) (hash notify.RunningHash, ok bool, err error)
}

// ClusterOptions configure a Cluster journal.
type ClusterOptions struct {
	Conn *nats.Conn // of Connect; the caller closes it after Run has returned

	Stream   string // name of the stream; it is created if there is none
	Replicas int    // of the stream: 3, or 1 if the loss of a server may lose everything
	Node     string // name of this node, which no other node has

	State    ReplicatedState
	Position notify.Position // of State
	Last     notify.Sequence // of the last entry of State

	// Deliver is the same as in Options.
	Deliver func(notify.Change)

	// CutOff is called when this node can no longer serve its connections: it has been
	// unable to follow the journal for cutOffAfter, or has stopped following it for
	// good. The caller should close all connections, so that clients go to other nodes.
	// One goroutine calls it, once for each such event, and waits for it.
	CutOff func(error)

	Metrics Metrics
	Logger  *slog.Logger
}

// Cluster is a notify.Journal that several nodes share: a stream in NATS JetStream. Each
// group of entries is one message. A node follows the stream and applies every message, its
// own ones included, to its own state.
//
// # What is durable, and when
//
// The servers acknowledge a message when a majority of them has stored it. Append returns
// when the message has come back and is applied on this node, so a verdict is given only for
// what the stream contains. The state on this node is not synced: after a power cut the node
// applies the end of the stream again, from the position that its state has.
//
// # Failures
//
// A message that is not acknowledged is sent again with the same ID, by which the servers
// recognise it, until the deadline of Append. Then the outcome is notify.ErrUnavailable if
// no attempt can have been stored: the node was not connected, no server was the leader of
// the stream, or the leader refused the message. Otherwise it is notify.ErrOutcomeUnknown.
//
// Run returns an error only if the state fails. If the stream is not the one that the state
// has followed, or lacks messages, or if the state differs from that of other nodes, the
// journal stops following for good: Ready and Status say why, and an operator decides.
type Cluster struct {
	o        ClusterOptions
	js       jetstream.JetStream
	instance string // random, of this process: it begins the IDs of its messages

	*intake                        // from the publishers to the sender
	try       func(*message) error // attempt, or another one in tests
	inFlight  *inFlight            // messages that were sent and are not applied yet
	slots     chan struct{}        // has a value for each message in flight
	received  chan *received       // from the follower to the applier
	unapplied sync.WaitGroup       // messages in received, and those being applied
	buffered  *semaphore.Weighted  // bytes of those
	deliverer *deliverer           // from the applier to the connections
	health    *health
	witnesses *witnesses
	skips     skips
	rounds    *rounds // of CatchUp

	durable  atomic.Uint64                   // sequence of the last applied entry
	position atomic.Pointer[notify.Position] // of the last applied message
	stopped  atomic.Bool                     // Run has returned or is about to
	halted   context.CancelFunc              // ends following; set by Run
}

// appendTimeout bounds Append, which ends earlier if its context does.
const appendTimeout = 5 * time.Second

// Limits of a message. An entry that is larger alone is a message of its own.
const (
	maxMessageBytes = 256 << 10
	messageOverhead = 1 << 10 // most of the headers of a message
	bytesPerWeight  = maxMessageBytes / maxGroupWeight
)

// NewCluster returns a journal that continues after o.Position. It follows the stream, and
// sends entries, while Run runs. No server need be reachable.
func NewCluster(o ClusterOptions) (*Cluster, error) {
	js, err := jetstream.New(o.Conn, jetstream.WithDefaultTimeout(requestTimeout))
	if err != nil {
		return nil, fmt.Errorf("open the journal %s: %w", o.Stream, err)
	}
	j := &Cluster{
		o:         o,
		js:        js,
		instance:  newInstance(),
		intake:    newIntake(),
		slots:     make(chan struct{}, maxInFlight),
		received:  make(chan *received, maxReceived),
		buffered:  semaphore.NewWeighted(maxReceivedBytes),
		deliverer: newDeliverer(o.Deliver),
		health:    newHealth(o),
		witnesses: newWitnesses(o),
		rounds:    newRounds(),
	}
	j.try = j.attempt
	j.inFlight = newInFlight(j.instance)
	j.durable.Store(uint64(o.Last))
	j.position.Store(&o.Position)
	return j, nil
}

// Durable implements notify.Journal. It is the last applied sequence: only what a majority
// of the servers has stored is applied.
func (j *Cluster) Durable() notify.Sequence { return notify.Sequence(j.durable.Load()) }

// Position returns the position of the last applied message.
func (j *Cluster) Position() notify.Position { return *j.position.Load() }

// Ready implements notify.Journal.
func (j *Cluster) Ready() error {
	if j.stopped.Load() {
		return errStopped()
	}
	return j.health.ready()
}

// Append implements notify.Journal. Entries that need several messages are sent one message
// after another, each when the one before is applied, so that they keep their order. If one
// fails, the rest are not sent.
func (j *Cluster) Append(ctx context.Context, entries ...notify.Entry) []notify.Verdict {
	deadline := deadlineOf(ctx)
	if err := j.health.stoppedBy(); err != nil {
		return failed(len(entries), notify.Unavailable(notify.CauseJournal, "this node has stopped following the journal"))
	}
	verdicts := make([]notify.Verdict, 0, len(entries))
	for len(entries) > 0 {
		p := j.encode(entries)
		n := len(p.entries)
		p.deadline = deadline
		part, err := j.appendPart(ctx, p)
		entries = entries[n:]
		if err != nil {
			verdicts = append(verdicts, failed(n, err)...)
			return append(verdicts, failed(len(entries), notify.Unavailable(notify.CauseJournal, "it was not sent, since an earlier one of the same request failed"))...)
		}
		verdicts = append(verdicts, part...)
	}
	return verdicts
}

// encode returns a pending with the first of entries, as many as fit into one message, and
// at least one.
func (j *Cluster) encode(entries []notify.Entry) *pending {
	p := j.newPending(nil)
	encoded := p.encoded[:0]
	for _, e := range entries {
		before := len(encoded)
		encoded = entry.AppendPart(encoded, e)
		if before > 0 && len(encoded) > maxMessageBytes {
			encoded = encoded[:before]
			break
		}
		p.entries = entries[:len(p.entries)+1]
		p.weigh(e)
	}
	p.by, p.urgent = publisher(p.entries), isUrgent(p.entries)
	p.encoded, p.bytes, p.weight = encoded, p.bytes+int64(len(encoded)), p.weight+len(encoded)/bytesPerWeight
	return p
}

// deadlineOf returns when an append with a context ends. Contexts with a deadline of their own would
// cost each publish more than its encoding does.
func deadlineOf(ctx context.Context) time.Time {
	deadline := time.Now().Add(appendTimeout)
	if earlier, ok := ctx.Deadline(); ok && earlier.Before(deadline) {
		return earlier
	}
	return deadline
}

// acquire acquires the memory of p until the deadline of p.
func (j *Cluster) acquire(ctx context.Context, p *pending) error {
	if j.memory.tryAcquire(p) {
		return nil
	}
	ctx, cancel := context.WithDeadline(ctx, p.deadline)
	defer cancel()
	return j.memory.acquire(ctx, p)
}

// appendPart appends the entries of p, which share one message, before the deadline of p. An error
// means that none was applied.
func (j *Cluster) appendPart(ctx context.Context, p *pending) ([]notify.Verdict, error) {
	if most := j.health.conn.Load().maxPayload; most > 0 && int64(len(p.encoded)+messageOverhead) > most {
		return nil, notify.Unavailable(notify.CauseJournal, "the entry is larger than the messages that the servers of the journal accept")
	}
	if j.acquire(ctx, p) != nil {
		return nil, notify.Unavailable(notify.CauseQueueFull, "the queue of the journal is full")
	}
	if !j.queue.put(p) {
		j.memory.release(p)
		return nil, errStopped()
	}
	timer := time.NewTimer(time.Until(p.deadline))
	defer timer.Stop()
	unknown := errUnknown
	select {
	case <-p.done:
		return j.outcome(p)
	case <-ctx.Done():
	case <-timer.C:
	case <-j.abandoned:
		unknown = errAbandoned
	}
	switch {
	case p.state.CompareAndSwap(partNotStored, partLeft):
		return nil, errUnreachable()
	case p.state.CompareAndSwap(partPerhapsStored, partLeft):
		return nil, unknown()
	default: // it is answered at this moment
		<-p.done
		return j.outcome(p)
	}
}

// outcome returns the verdicts of p, and makes p available to other publishers.
func (j *Cluster) outcome(p *pending) ([]notify.Verdict, error) {
	refused := p.refused
	return j.takeVerdicts(p), refused
}

func errUnreachable() error {
	return notify.Unavailable(notify.CauseJournal, "the journal cannot be reached; nothing was stored")
}

func errUnknown() error {
	return notify.Errorf(notify.ErrOutcomeUnknown, "it was not acknowledged in time; retry with the same idempotency key")
}

// Run follows the stream and sends entries until ctx ends. Then it waits for the entries
// that are queued or sent, for at most appendTimeout, and returns when all changes are
// delivered. An error means that the state has failed, and that the process should end.
func (j *Cluster) Run(ctx context.Context) error {
	accepting, refuse := context.WithCancel(ctx)
	alive, end := context.WithCancel(context.WithoutCancel(ctx)) // of what outlives ctx
	stop := func() { refuse(); end() }
	defer stop()
	following, halt := context.WithCancel(alive)
	j.halted = halt
	failed := make(chan error, 1)
	var delivering, applying, running, sending sync.WaitGroup
	delivering.Go(j.deliverer.run)
	applying.Go(func() { failed <- j.applyAll(stop) })
	running.Go(func() { j.follow(following) })
	running.Go(func() { j.health.run(alive) })
	sending.Go(func() { j.sendAll(accepting, following) })
	running.Go(func() { j.witness(accepting) })
	running.Go(func() { j.probe(accepting) })
	running.Go(func() { j.sendRounds(accepting) })
	running.Go(func() { j.lookAtStream(accepting) })

	sending.Wait() // until ctx ends, and each publisher has an answer
	j.stopped.Store(true)
	stop()
	running.Wait()
	close(j.received)
	applying.Wait()
	j.deliverer.close()
	delivering.Wait()
	return <-failed
}

// halt stops following for good.
func (j *Cluster) halt(err error) {
	j.health.stop(err)
	j.halted()
}
