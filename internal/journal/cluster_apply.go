package journal

import (
	"bytes"
	"fmt"
	"time"

	"github.com/bellhop/bellhop/internal/entry"
	"github.com/bellhop/bellhop/internal/notify"
)

// batch is the messages that are applied in one transaction.
type batch struct {
	messages []*received
	entries  []notify.Stamped
	counts   []int // of the entries of each message
	skipped  []skipped
	weight   int
}

// add adds a message to b. It returns an error, and adds nothing, if the message brings
// rules into force that this program does not have.
func (b *batch) add(r *received) error {
	entries := entry.DecodeMessage(r.data)
	var p pending
	for _, e := range entries {
		if g, ok := e.(notify.Generation); ok && g.Rules > notify.RulesVersion {
			return fmt.Errorf("%w: version %d, and this program has versions up to %d; start a newer program on this node",
				ErrNewerRules, g.Rules, notify.RulesVersion)
		}
		p.weigh(e)
	}
	for _, e := range entries {
		if u, ok := e.(notify.Unknown); ok {
			b.skipped = append(b.skipped, skipped{r, len(b.entries), u})
		}
		b.entries = append(b.entries, notify.Stamped{Entry: e, Time: r.time})
	}
	b.messages, b.counts, b.weight = append(b.messages, r), append(b.counts, len(entries)), b.weight+p.weight
	return nil
}

// applyAll applies the received messages until there are no more. After an error of the
// state it calls stop and applies no more.
func (j *Cluster) applyAll(stop func()) (err error) {
	for r := range j.received {
		if err != nil || j.health.stoppedBy() != nil {
			j.finish(r)
			continue
		}
		if err = j.applyNext(r); err != nil {
			stop()
		}
	}
	return err
}

// applyNext applies r, together with the messages that are received already.
func (j *Cluster) applyNext(r *received) error {
	b, newer := j.gather(r)
	var err error
	if len(b.messages) > 0 {
		err = j.apply(b)
	}
	for _, r := range b.messages {
		j.finish(r)
	}
	if newer != nil {
		j.finish(newer.message)
		j.halt(newer.err)
	}
	return err
}

// refusedMessage is a message that must not be applied.
type refusedMessage struct {
	message *received
	err     error
}

// gather returns a batch with r and the messages that are received already, as many as a
// group may have, up to one that must not be applied.
func (j *Cluster) gather(r *received) (b *batch, refused *refusedMessage) {
	b = &batch{}
	for more := true; more; {
		if err := b.add(r); err != nil {
			return b, &refusedMessage{r, err}
		}
		more = false
		if b.weight < maxGroupWeight {
			select {
			case r, more = <-j.received:
			default:
			}
		}
	}
	return b, nil
}

// apply applies a batch, answers the publishers on this node and passes the changes on.
func (j *Cluster) apply(b *batch) error {
	start, last := time.Now(), b.messages[len(b.messages)-1]
	j.health.applying(b.messages[0].arrived)
	p := notify.Position{Journal: last.journal, Message: last.sequence, Digest: last.digest()}
	before := j.durable.Load()
	verdicts, changes, err := j.o.State.ApplyAt(p, notify.Sequence(before+1), b.entries)
	if err != nil {
		return fmt.Errorf("apply messages up to %d: %w", last.sequence, err)
	}
	j.durable.Store(before + uint64(len(b.entries)))
	j.position.Store(&p)
	j.o.Metrics.Committed(len(b.entries), time.Since(start).Seconds())
	for _, s := range b.skipped {
		j.noteSkipped(s, notify.Sequence(before+1+uint64(s.index))) //nolint:gosec // an index
	}
	for i, r := range b.messages {
		j.answer(r, verdicts[:b.counts[i]])
		verdicts = verdicts[b.counts[i]:]
	}
	if err := j.witnesses.applied(b.entries, last); err != nil {
		return err
	}
	err = j.deliverer.passOn(changes)
	j.health.applied(last) // a node whose deliveries are far behind is not ready either
	return err
}

// answer answers the publishers of a message, if they are on this node and have not left.
func (j *Cluster) answer(r *received, verdicts []notify.Verdict) {
	m := j.inFlight.remove(r.id)
	if m == nil {
		j.health.clock(time.Time{}, r)
		return
	}
	defer m.cancel()
	if !bytes.Equal(m.data, r.data) {
		j.o.Logger.Error("a message has the ID of a message of this node and another content; check whether another program writes to the stream",
			"stream", j.o.Stream, "message", r.sequence, "id", r.id)
		j.answerAll(m.parts, errUnknown())
		return
	}
	j.health.clock(m.sent, r)
	j.inFlight.answeredAll(m)
	for _, p := range m.parts {
		j.memory.release(p) // before the answer, after which p is used again
		verdicts = p.answer(verdicts)
	}
}
