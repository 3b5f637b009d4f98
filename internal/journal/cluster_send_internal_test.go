package journal

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/entry"
	"github.com/bellhop/bellhop/internal/notify"
)

// sender is a Cluster that sends nothing: attempts returns the outcome of each attempt.
type sender struct {
	*Cluster
	t    *testing.T
	sent []*message
}

func newSender(t *testing.T, attempts func(number int, m *message) error) *sender {
	t.Helper()
	s := &sender{t: t, Cluster: &Cluster{intake: newIntake(), inFlight: newInFlight("test"), o: ClusterOptions{Logger: slog.New(slog.DiscardHandler)}}}
	s.try = func(m *message) error {
		s.sent = append(s.sent, m)
		return attempts(len(s.sent), m)
	}
	return s
}

// part returns the entry of a publisher that waits for a time.
func (s *sender) part(id string, deadline time.Duration) *pending {
	s.t.Helper()
	p := s.encode([]notify.Entry{notify.Publish{ID: id}})
	p.deadline = time.Now().Add(deadline)
	require.NoError(s.t, s.memory.acquire(s.t.Context(), p))
	return p
}

// apply does what the applier does with a message.
func (s *sender) apply(m *message) {
	s.t.Helper()
	require.Same(s.t, m, s.inFlight.remove(m.id))
	for _, p := range m.parts {
		s.memory.release(p)
		p.answer(make([]notify.Verdict, len(p.entries)))
	}
	m.cancel()
}

// idle checks that no memory is in use and no message in flight.
func (s *sender) idle() {
	s.t.Helper()
	assert.True(s.t, s.memory.small.TryAcquire(smallBytes), "all memory was released")
	assert.Empty(s.t, s.inFlight.all)
}

func ids(m *message) (ids []string) {
	for _, e := range entry.DecodeMessage(m.data) {
		ids = append(ids, e.(notify.Publish).ID)
	}
	return ids
}

// leave does what a publisher does whose deadline passes.
func leave(t *testing.T, p *pending, during uint32) {
	t.Helper()
	require.True(t, p.state.CompareAndSwap(during, partLeft))
}

// A publisher may leave while a message with its entry is sent, or between two attempts. Once
// it is certain that nothing was stored, its entry is sent no more, and the others go on in a
// message of their own.
func TestAPublisherThatLeaves(t *testing.T) {
	var first, second *pending
	s := newSender(t, func(number int, m *message) error {
		if number == 1 {
			leave(t, first, partPerhapsStored)
			return jetstream.ErrNoStreamResponse
		}
		return errors.New("applied")
	})
	attempts := s.try
	s.try = func(m *message) error {
		err := attempts(m)
		if len(s.sent) == 2 {
			s.apply(m)
		}
		return err
	}
	first, second = s.part("first", time.Minute), s.part("second", time.Minute)
	s.send(t.Context(), []*pending{first, second})
	require.Len(t, s.sent, 2)
	assert.Equal(t, []string{"first", "second"}, ids(s.sent[0]))
	assert.Equal(t, []string{"second"}, ids(s.sent[1]))
	assert.NotEqual(t, s.sent[0].id, s.sent[1].id)
	<-second.done
	assert.NoError(t, second.refused)
	s.idle()
}

// The state of a node fails while its entries are sent. Those that are perhaps stored have an unknown
// outcome, and the others are refused.
func TestAnAbandonedClusterAnswersItsPublishers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSender(t, nil)
		s.health = &health{look: func() connState { return connState{} }}
		s.health.refresh()
		sent, queued := make(chan error, 1), make(chan error, 1)
		go func() { sent <- s.Append(t.Context(), notify.Publish{})[0].Err }()
		synctest.Wait()
		require.Len(t, s.move(s.queue.take(), partNotStored, partPerhapsStored), 1)
		go func() { queued <- s.Append(t.Context(), notify.Publish{})[0].Err }()
		synctest.Wait()
		s.Abandon()
		synctest.Wait()
		require.Len(t, sent, 1)
		assert.ErrorIs(t, <-sent, notify.ErrOutcomeUnknown)
		require.Len(t, queued, 1)
		assert.ErrorIs(t, <-queued, notify.ErrUnavailable)
		assert.ErrorIs(t, s.Append(t.Context(), notify.Publish{})[0].Err, notify.ErrUnavailable)
	})
}

// A message that comes back although it was refused is applied, and is not sent again.
func TestAMessageThatComesBackThoughRefused(t *testing.T) {
	var s *sender
	s = newSender(t, func(_ int, m *message) error {
		s.apply(m)
		return jetstream.ErrNoStreamResponse
	})
	p := s.part("one", time.Minute)
	s.send(t.Context(), []*pending{p})
	<-p.done
	assert.Len(t, s.sent, 1)
	assert.NoError(t, p.refused)
	s.idle()
}

// Of the attempts to send a message, one that may have been stored makes the outcome unknown.
// All of them use one ID.
func TestOutcomesOfAttempts(t *testing.T) {
	timeout := context.DeadlineExceeded
	full := &jetstream.APIError{Code: 503, ErrorCode: errCodeStoreFailed}
	conflict := &jetstream.APIError{Code: 400, ErrorCode: errCodeDuplicateInProgress}
	for name, c := range map[string]struct {
		attempts []error // the last one is repeated
		outcome  error
	}{
		"never sent":              {[]error{errNotFollowing}, notify.ErrUnavailable},
		"no leader":               {[]error{jetstream.ErrNoStreamResponse}, notify.ErrUnavailable},
		"full":                    {[]error{full}, notify.ErrUnavailable},
		"no answer":               {[]error{timeout, jetstream.ErrNoStreamResponse}, notify.ErrOutcomeUnknown},
		"an answer at last":       {[]error{jetstream.ErrNoStreamResponse, timeout}, notify.ErrOutcomeUnknown},
		"perhaps stored, refused": {[]error{timeout, full}, notify.ErrOutcomeUnknown},
		"being stored":            {[]error{conflict}, notify.ErrOutcomeUnknown},
		"stored, not applied":     {[]error{nil}, notify.ErrOutcomeUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSender(t, func(number int, _ *message) error { return c.attempts[min(number, len(c.attempts))-1] })
				p := s.part("one", appendTimeout)
				s.send(t.Context(), []*pending{p})
				<-p.done
				require.ErrorIs(t, p.refused, c.outcome)
				for _, m := range s.sent {
					assert.Equal(t, s.sent[0].id, m.id)
				}
				s.idle()
			})
		})
	}
}

// The errors of attempts that were certainly not stored, and of those that may have been.
func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		err                    error
		refusal, full, waiting bool
	}{
		"stream is full":      {&jetstream.APIError{Code: 503, ErrorCode: errCodeStoreFailed, Description: "maximum bytes exceeded"}, true, true, false},
		"account is full":     {&jetstream.APIError{Code: 503, ErrorCode: errCodeAccountLimit, Description: "resource limits exceeded for account"}, true, true, false},
		"leader is stopping":  {&jetstream.APIError{Code: 503, ErrorCode: errCodeStoreFailed, Description: "store is closed"}, false, false, true},
		"is being stored":     {&jetstream.APIError{Code: 409, ErrorCode: errCodeDuplicateInProgress}, false, false, false},
		"no leader":           {jetstream.ErrNoStreamResponse, true, false, true},
		"no answer":           {context.DeadlineExceeded, false, false, true},
		"stream not followed": {errNotFollowing, true, false, true},
		"too large":           {nats.ErrMaxPayload, true, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.refusal, isRefusal(c.err), "refusal")
			assert.Equal(t, c.full, isFull(c.err), "full")
			assert.Equal(t, c.waiting, isTemporary(c.err), "temporary")
		})
	}
}

// A message waits for further appends only if they are likely to come: while others are in
// flight, and right after publishers were answered, but for a part of the time of a message only.
func TestAMessageGathersAppends(t *testing.T) {
	for _, c := range []struct {
		name        string
		inFlight    bool
		answered    int           // appends of the last message
		took        time.Duration // from sending to answering it
		ago         time.Duration // since then
		wantAppends int
		wantWait    time.Duration
	}{
		{name: "the first message is sent at once"},
		{name: "so is one whose predecessor had few appends", answered: minWaitedFor - 1, took: time.Hour},
		{name: "those just answered are waited for", answered: 10, took: time.Hour, wantAppends: 10, wantWait: gatherTime},
		{name: "not for a time that has passed", answered: 10, took: time.Hour, ago: gatherTime / 2, wantAppends: 10, wantWait: gatherTime / 2},
		{name: "not for longer than half of what a message takes", answered: 10, took: gatherTime, wantAppends: 10, wantWait: gatherTime / 2},
		{name: "not for more than a message gathers", answered: 1_000, took: time.Hour, wantAppends: gatherAppends, wantWait: gatherTime},
		{name: "others in flight give time", inFlight: true, answered: 1, took: time.Hour, ago: time.Hour, wantAppends: gatherAppends, wantWait: gatherTime},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newInFlight("test")
				if c.answered > 0 {
					m := &message{parts: make([]*pending, c.answered), sent: time.Now()}
					time.Sleep(c.took)
					f.answeredAll(m)
				}
				if c.inFlight {
					f.add(&message{})
				}
				time.Sleep(c.ago)
				appends, wait := f.gather(time.Now())
				assert.Equal(t, c.wantAppends, appends)
				assert.Equal(t, c.wantWait, wait)
				if f.remove("test-1"); c.answered > 0 {
					_, wait = f.gather(time.Now())
					assert.Zero(t, wait, "publishers are waited for once")
				}
			})
		})
	}
}
