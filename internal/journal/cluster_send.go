package journal

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bellhop/bellhop/internal/entry"
	"github.com/bellhop/bellhop/internal/notify"
)

// Limits on messages in flight, and on the time for which a message gathers entries: see
// inFlight.gather. Each message goes through the disks of a majority and wakes every node, so few
// large ones take much less work than many small ones.
const (
	maxInFlight   = 16
	gatherAppends = 64
	gatherTime    = 8 * time.Millisecond
)

// Times between attempts to send a message.
const (
	attemptTimeout = 1500 * time.Millisecond // without an answer
	minRetryWait   = 50 * time.Millisecond   // after a refusal
	maxRetryWait   = 400 * time.Millisecond
)

// States of a pending in a Cluster. The publisher leaves when its deadline has passed; the
// sender then sends its entries no more, if that can still be prevented.
const (
	partNotStored     = iota // queued, or no attempt to send it can have been stored
	partPerhapsStored        // sent
	partLeft                 // the publisher has an answer
)

// message is a group of entries on its way to the stream.
type message struct {
	number uint64
	id     string // with the number, by which the servers and the applier recognise it
	data   []byte
	parts  []*pending

	//nolint:containedctx // it is that of the message: it ends when the message is applied, or at the latest deadline
	ctx    context.Context
	cancel context.CancelFunc
	sent   time.Time // first attempt
}

// inFlight has the messages that were sent and are not applied yet.
type inFlight struct {
	prefix string // of the IDs of this process

	mu   sync.Mutex
	next uint64
	all  map[uint64]*message

	// The messages that were applied since the last call of gather.
	answered int           // number of appends in them
	last     time.Time     // when the last one was answered
	took     time.Duration // from sending to answering that one
}

func newInFlight(instance string) *inFlight {
	return &inFlight{prefix: instance + "-", all: map[uint64]*message{}}
}

// newInstance returns a random name of this process.
func newInstance() string {
	var id [12]byte
	rand.Read(id[:]) // never fails: crypto/rand
	return hex.EncodeToString(id[:])
}

// add adds a message. It gives it an ID unless it has one.
func (f *inFlight) add(m *message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m.id == "" {
		f.next++
		m.number, m.id = f.next, f.prefix+strconv.FormatUint(f.next, 10)
	}
	f.all[m.number] = m
}

// remove removes the message with an ID; nil if this process has sent none, or it was
// removed before. The caller of the call that returns a message answers its publishers.
func (f *inFlight) remove(id string) *message {
	number, own := strings.CutPrefix(id, f.prefix)
	n, err := strconv.ParseUint(number, 10, 64)
	if !own || err != nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.all[n]
	delete(f.all, n)
	return m
}

// answeredAll notes that the publishers of m were answered after it was applied.
func (f *inFlight) answeredAll(m *message) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answered += len(m.parts)
	f.last = time.Now()
	f.took = f.last.Sub(m.sent)
}

// gather returns the number of appends for which the next message should wait, and for how long
// at most. While others are in flight, that is gatherAppends. Otherwise it is the number of those
// that were just answered: their publishers are likely to append again in a moment. A wait is
// not longer than half the time of the last message, nor than gatherTime: busy servers get
// larger messages.
func (f *inFlight) gather(now time.Time) (appends int, wait time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	answered := f.answered
	f.answered = 0
	wait = min(f.took/2, gatherTime)
	if len(f.all) > 0 {
		return gatherAppends, wait
	}
	if answered < minWaitedFor {
		return 0, 0
	}
	return min(answered, gatherAppends), wait - now.Sub(f.last)
}

// sendAll sends what is queued until ctx ends and the queue is empty. It returns when each
// publisher has an answer. Messages that are in flight when alive ends have an unknown
// outcome.
func (j *Cluster) sendAll(ctx, alive context.Context) {
	var sending sync.WaitGroup
	defer sending.Wait()
	for {
		j.slots <- struct{}{}
		parts := pack(j.nextGroup(ctx))
		if len(parts) == 0 {
			<-j.slots
			return
		}
		for i, one := range parts {
			if i > 0 {
				j.slots <- struct{}{}
			}
			sending.Go(func() {
				j.send(alive, one)
				<-j.slots
			})
		}
	}
}

// nextGroup waits for entries, and returns none when ctx has ended and the queue is empty.
func (j *Cluster) nextGroup(ctx context.Context) []*pending {
	if !j.queue.reached(1) {
		select {
		case <-j.queue.wake:
		case <-ctx.Done():
			j.queue.close()
		}
	}
	if appends, wait := j.inFlight.gather(time.Now()); wait > 0 && !j.queue.reached(appends) {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-j.queue.wake:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return j.queue.take()
}

// pack divides a group into those of messages, in order.
func pack(group []*pending) (messages [][]*pending) {
	start, size := 0, 0
	for i, p := range group {
		if i > start && size+len(p.encoded) > maxMessageBytes {
			messages, start, size = append(messages, group[start:i]), i, 0
		}
		size += len(p.encoded)
	}
	if start < len(group) {
		messages = append(messages, group[start:])
	}
	return messages
}

// send sends the entries of parts as one message, and returns when their publishers have an
// answer.
func (j *Cluster) send(alive context.Context, parts []*pending) {
	var m *message
	for wait := minRetryWait; ; wait = min(2*wait, maxRetryWait) {
		claimed := j.move(parts, partNotStored, partPerhapsStored)
		if m == nil || len(claimed) < len(m.parts) { // otherwise the same message is sent again
			if m != nil {
				m.cancel()
			}
			if len(claimed) == 0 {
				return
			}
			m = newMessage(alive, claimed)
		}
		j.inFlight.add(m)
		refused := j.publish(m)
		if j.inFlight.remove(m.id) == nil { // the applier has answered
			m.cancel()
			return
		}
		if refused == nil || !isTemporary(refused) {
			m.cancel()
			j.answerAll(m.parts, j.failure(refused))
			return
		}
		parts = j.move(m.parts, partPerhapsStored, partNotStored)
		sleep(m.ctx, wait)
		if m.ctx.Err() != nil {
			m.cancel()
			j.answerAll(parts, errUnreachable())
			return
		}
	}
}

// failure returns the error for the publishers of a message: nil is that of one which may have
// been stored.
func (j *Cluster) failure(refused error) error {
	switch {
	case refused == nil:
		return errUnknown()
	case isFull(refused): // which the health logs once
		return errFull()
	}
	j.o.Logger.Error("the journal refused a message; nothing of it was stored", "stream", j.o.Stream, "error", refused)
	return notify.Unavailable(notify.CauseJournal, "the journal refused it; nothing was stored")
}

func errFull() error {
	return notify.Unavailable(notify.CauseJournalFull, "the journal is full; nothing was stored")
}

// move moves parts from one state to another, and returns them without those whose
// publishers have left.
func (j *Cluster) move(parts []*pending, from, to uint32) []*pending {
	moved := make([]*pending, 0, len(parts))
	for _, p := range parts {
		if p.state.CompareAndSwap(from, to) {
			moved = append(moved, p)
		} else {
			j.memory.release(p)
		}
	}
	return moved
}

// answerAll answers the publishers of parts that all their entries have one error.
func (j *Cluster) answerAll(parts []*pending, err error) {
	for _, p := range parts {
		j.memory.release(p) // before the answer, after which p is used again
		p.refused = err
		p.answer(make([]notify.Verdict, len(p.entries)))
	}
}

// newMessage returns a message with the entries of parts, whose context ends when the last
// of their publishers leaves.
func newMessage(alive context.Context, parts []*pending) *message {
	size, deadline := 1, parts[0].deadline
	for _, p := range parts {
		size += len(p.encoded)
		if p.deadline.After(deadline) {
			deadline = p.deadline
		}
	}
	m := &message{parts: parts, data: entry.BeginMessage(make([]byte, 0, size)), sent: time.Now()}
	for _, p := range parts {
		m.data = append(m.data, p.encoded...)
	}
	m.ctx, m.cancel = context.WithDeadline(alive, deadline)
	return m
}

// publish sends m, again if need be, until it was applied or its context has ended. It
// returns the last refusal instead if no attempt can have been stored.
func (j *Cluster) publish(m *message) (refused error) {
	perhapsStored := false
	for wait := minRetryWait; m.ctx.Err() == nil; wait = min(2*wait, maxRetryWait) {
		err := j.try(m)
		switch {
		case err == nil:
			<-m.ctx.Done() // the applier ends it
			return nil
		case !isRefusal(err):
			perhapsStored = true
			sleep(m.ctx, minRetryWait)
		case !perhapsStored:
			return err
		default:
			sleep(m.ctx, wait)
		}
	}
	if perhapsStored {
		return nil
	}
	return errNotSent
}

// errNotSent says that there was no time for an attempt.
var errNotSent = errors.New("not sent")

// errNotFollowing says that nothing is sent, since it is not certain at the moment that the
// stream is the one that this node has followed.
var errNotFollowing = errors.New("the stream is not followed")

// attempt sends m once, and waits for the acknowledgement.
func (j *Cluster) attempt(m *message) error {
	if !j.health.isFollowing() {
		return errNotFollowing
	}
	ctx, cancel := context.WithTimeout(m.ctx, attemptTimeout)
	defer cancel()
	msg := &nats.Msg{Subject: subjectOf(j.o.Stream), Data: m.data, Header: nats.Header{}}
	_, err := j.js.PublishMsg(ctx, msg, jetstream.WithMsgID(m.id), jetstream.WithExpectStream(j.o.Stream), jetstream.WithRetryAttempts(0))
	if isFull(err) {
		j.health.full()
	}
	return err
}

// JetStream's codes for a message that is refused since the stream, or the account, has reached
// its limit.
const (
	errCodeStoreFailed  = 10077
	errCodeAccountLimit = 10002
)

// isFull reports whether the stream, or the disk that the account may use, is full.
func isFull(err error) bool {
	var refused *jetstream.APIError
	return errors.As(err, &refused) && (refused.ErrorCode == errCodeStoreFailed && !isStopping(refused) || refused.ErrorCode == errCodeAccountLimit)
}

// isStopping reports whether a leader has refused a message since it was stopping. Other servers
// may have stored it before.
func isStopping(refused *jetstream.APIError) bool {
	return refused.ErrorCode == errCodeStoreFailed && strings.Contains(refused.Description, "store is closed")
}

// errCodeDuplicateInProgress is JetStream's code for a message whose ID is that of one that
// is being stored.
const errCodeDuplicateInProgress = 10158

// isRefusal reports whether an attempt with this error was certainly not stored.
func isRefusal(err error) bool {
	var refused *jetstream.APIError
	if errors.As(err, &refused) {
		return refused.ErrorCode != errCodeDuplicateInProgress && !isStopping(refused)
	}
	return errors.Is(err, errNotFollowing) || errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, nats.ErrReconnectBufExceeded) ||
		errors.Is(err, nats.ErrMaxPayload) || errors.Is(err, nats.ErrHeadersNotSupported) // the last one: not connected yet
}

// isTemporary reports whether a refusal may not be repeated in a moment.
func isTemporary(refusal error) bool {
	var refused *jetstream.APIError
	if errors.As(refusal, &refused) {
		return refused.Code == 503 && !isFull(refusal)
	}
	return !errors.Is(refusal, nats.ErrMaxPayload)
}

// sleep waits until a time has passed or ctx has ended.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
