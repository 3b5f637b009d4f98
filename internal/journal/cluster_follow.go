package journal

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bellhop/bellhop/internal/notify"
)

// Reasons to stop following the stream for good.
var (
	// ErrJournalLost says that the stream is not the one that the state has followed, or
	// that messages are missing from it.
	ErrJournalLost = errors.New("the journal of this node is lost")

	// ErrBehind says that the stream has been purged beyond the position of the state. A
	// node that starts from a checkpoint can follow it.
	ErrBehind = errors.New("the journal no longer has what this node lacks")

	// ErrDiverged says that the state differs from that of other nodes.
	ErrDiverged = errors.New("the state of this node differs from that of the others")

	// ErrNewerRules says that the cluster follows rules that this program does not have.
	ErrNewerRules = errors.New("the cluster follows newer rules")
)

// Limits on messages that have been received and are not applied yet, and times of the
// consumer.
const (
	maxReceived       = 256
	maxReceivedBytes  = 16 << 20
	maxPulled         = 128
	heartbeatEvery    = time.Second
	consumerExpires   = 30 * time.Second
	consumerForgotten = 10 * time.Second // by the servers, when the node does not pull
	firstMessageWait  = 5 * time.Second
	maxFollowWait     = time.Second
	lostAfter         = 10 * time.Second // a message that should be in the stream is not
)

// received is a message of the stream.
type received struct {
	journal  string // identity of the journal
	sequence uint64
	time     time.Time // of the stream
	id       string
	data     []byte
	bytes    int64 // of the budget
	arrived  time.Time
	behind   uint64 // number of messages in the stream after it, when it was sent
}

// digest returns the digest of the message for a notify.Position.
func (r *received) digest() (digest [32]byte) {
	h := sha256.New()
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(r.time.UnixNano())))
	h.Write(r.data)
	h.Sum(digest[:0])
	return digest
}

// follow receives the messages of the stream, in order and without gaps, until ctx ends or
// the journal must not be followed any longer.
//
// It has a consumer of its own, which one of the servers keeps in memory. When that is
// silent for two heartbeats, it begins with another one at the last applied message.
func (j *Cluster) follow(ctx context.Context) {
	f := &follower{Cluster: j}
	for wait := minRetryWait; ctx.Err() == nil; wait = min(2*wait, maxFollowWait) {
		began := time.Now()
		err := f.once(ctx)
		if ctx.Err() != nil {
			return
		}
		if mustStop(err) {
			j.halt(err)
			return
		}
		j.health.notFollowing(err)
		if time.Since(began) > 2*maxFollowWait {
			wait = minRetryWait
		}
		sleep(ctx, wait)
	}
}

func mustStop(err error) bool {
	return errors.Is(err, ErrJournalLost) || errors.Is(err, ErrBehind) || errors.Is(err, ErrDiverged) || errors.Is(err, ErrNewerRules)
}

// follower is the state of follow from one consumer to the next.
type follower struct {
	*Cluster
	missing uint64    // sequence of a message that was not found
	since   time.Time // when it was first looked for
}

// once follows the stream with one consumer until that fails.
func (f *follower) once(ctx context.Context) error {
	f.unapplied.Wait()
	position := f.Position()
	s, info, err := openStream(ctx, f.js, StreamOptions{
		Conn: f.o.Conn, Name: f.o.Stream, Replicas: f.o.Replicas, MustExist: position.Journal != "",
	})
	if err != nil {
		return err
	}
	if err := f.check(position, info); err != nil {
		return err
	}
	position.Journal = info.Journal
	consumer, err := s.CreateConsumer(ctx, consumerConfig(position))
	if err != nil {
		return fmt.Errorf("create a consumer: %w", err)
	}
	if _, err := consumer.Info(ctx); err != nil { // it would not notice a request for messages that comes before it is ready
		return fmt.Errorf("wait for the consumer: %w", err)
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(maxPulled), jetstream.PullExpiry(consumerExpires),
		jetstream.PullHeartbeat(heartbeatEvery), jetstream.WithMessagesErrOnMissingHeartbeat(true))
	if err != nil {
		return fmt.Errorf("read the stream: %w", err)
	}
	err = f.receive(ctx, messages, position, info.First)
	messages.Stop()
	f.forget(s, consumer.CachedInfo().Name)
	return err
}

// forget deletes a consumer if the servers answer, which would otherwise forget it by
// themselves.
func (f *follower) forget(s jetstream.Stream, consumer string) {
	if f.o.Conn.Status() != nats.CONNECTED {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout/4)
	defer cancel()
	_ = s.DeleteConsumer(ctx, consumer) // see above
}

// consumerConfig is that of a consumer that begins at a position, so that the message there
// can be compared.
func consumerConfig(p notify.Position) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:       max(1, p.Message),
		AckPolicy:         jetstream.AckNonePolicy,
		ReplayPolicy:      jetstream.ReplayInstantPolicy,
		InactiveThreshold: consumerForgotten,
		MemoryStorage:     true,
		Replicas:          1,
	}
}

// check compares a position with the stream.
func (f *follower) check(p notify.Position, info StreamInfo) error {
	switch {
	case p.Journal != "" && p.Journal != info.Journal:
		return fmt.Errorf("%w: the stream %s was created anew, and this node has followed another one", ErrJournalLost, f.o.Stream)
	case p.Journal == "" && f.Durable() > 0:
		return fmt.Errorf("%w: this node has a state that did not come from the stream %s", ErrJournalLost, f.o.Stream)
	case p.Message+1 < info.First:
		return fmt.Errorf("%w: it has applied message %d, and the stream %s begins at %d; start this node again, so that it takes a checkpoint",
			ErrBehind, p.Message, f.o.Stream, info.First)
	case p.Message > info.Last:
		return f.notFound(p.Message, fmt.Sprintf("this node has applied message %d, and the stream %s ends at %d", p.Message, f.o.Stream, info.Last))
	}
	return nil
}

// notFound returns an error, which is of kind ErrJournalLost if the message was not found
// for a while: a server that has just started may not have all messages yet.
func (f *follower) notFound(message uint64, why string) error {
	if f.missing != message {
		f.missing, f.since = message, time.Now()
	}
	if time.Since(f.since) < lostAfter {
		return errors.New(why)
	}
	return fmt.Errorf("%w: %s", ErrJournalLost, why)
}

// receive passes messages on to the applier, from the one after a position on. It returns
// when the consumer fails. The message at the position itself must be the one that was
// applied, unless the stream begins after it.
func (f *follower) receive(ctx context.Context, messages jetstream.MessagesContext, p notify.Position, begins uint64) error {
	verified, next := p.Message == 0 || p.Message < begins, p.Message+1
	if verified {
		f.health.following()
	}
	for {
		r, err := nextMessage(ctx, messages, verified)
		switch {
		case err != nil:
			return err
		case r.sequence < next && (verified || r.sequence < p.Message): // of a server that lacked the later ones
		case !verified && r.sequence > p.Message || r.sequence > next:
			return f.notFound(next, fmt.Sprintf("message %d is missing from the stream %s: the next one is %d", next, f.o.Stream, r.sequence))
		case !verified:
			if r.digest() != p.Digest {
				return fmt.Errorf("%w: message %d of the stream %s is not the one that this node has applied", ErrJournalLost, r.sequence, f.o.Stream)
			}
			verified = true
			f.health.following()
		default:
			next++
			r.journal = p.Journal
			if err := f.enqueue(ctx, r); err != nil {
				return err
			}
		}
	}
}

// nextMessage waits for the next message. Before the first one was verified it does not wait
// long, since that one is there.
func nextMessage(ctx context.Context, messages jetstream.MessagesContext, verified bool) (*received, error) {
	if !verified {
		limited, cancel := context.WithTimeout(ctx, firstMessageWait)
		defer cancel()
		ctx = limited
	}
	m, err := messages.Next(jetstream.NextContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("read the stream: %w", err)
	}
	meta, err := m.Metadata()
	if err != nil {
		return nil, fmt.Errorf("read a message of the stream: %w", err)
	}
	return &received{
		sequence: meta.Sequence.Stream, time: meta.Timestamp.UTC(), id: m.Headers().Get(jetstream.MsgIDHeader), data: m.Data(),
		bytes: min(int64(len(m.Data())+messageOverhead), maxReceivedBytes), arrived: time.Now(), behind: meta.NumPending,
	}, nil
}

// enqueue passes a message to the applier, and waits while that has too many.
func (f *follower) enqueue(ctx context.Context, r *received) error {
	if err := f.buffered.Acquire(ctx, r.bytes); err != nil {
		return err //nolint:wrapcheck // that of ctx
	}
	f.unapplied.Add(1)
	select {
	case f.received <- r:
		return nil
	case <-ctx.Done():
		f.finish(r)
		return ctx.Err() //nolint:wrapcheck // as above
	}
}

// finish is called for each enqueued message when it is applied, or will not be.
func (j *Cluster) finish(r *received) {
	j.buffered.Release(r.bytes)
	j.unapplied.Done()
}
