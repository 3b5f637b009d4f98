package service_test

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/wire"
)

// ada is the user of a token with an ID, issued at a whole second and not
// revoked.
func ada() notify.Principal {
	now := time.Now().UTC().Truncate(time.Second)
	return notify.Principal{User: "ada", Name: "user:ada", Issued: now, Expires: now.Add(time.Hour), TokenID: "one"}
}

func (r *rig) ticket(p notify.Principal) string {
	r.t.Helper()
	ticket, err := r.service.IssueTicket(r.t.Context(), p)
	require.NoError(r.t, err)
	return ticket
}

func TestATicketIsRedeemedOnce(t *testing.T) {
	r := newRig(t)
	ticket := r.ticket(ada())
	assert.Regexp(t, `^[A-Za-z0-9_-]{43}$`, ticket)
	assert.NotEqual(t, ticket, r.ticket(ada()))
	r.restart()

	var redeemed atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			p, err := r.service.RedeemTicket(t.Context(), ticket)
			if err == nil {
				redeemed.Add(1)
				assert.Equal(t, ada().User, p.User)
				assert.Equal(t, "one", p.TokenID)
				assert.False(t, p.Expires.IsZero())
				return
			}
			assert.ErrorIs(t, err, notify.ErrTokenInvalid)
		})
	}
	all.Wait()
	assert.EqualValues(t, 1, redeemed.Load())
	counts := r.metrics.all()
	assert.Equal(t, []int{2, 1, 7}, []int{counts["ticket issued"], counts["ticket redeemed"], counts["ticket refused"]})
}

// A used ticket that is sent repeatedly causes no entry after a few attempts.
func TestAUsedTicketWritesNothing(t *testing.T) {
	r := newRig(t)
	ticket := r.ticket(ada())
	before := r.journal.Durable()
	for range 20 {
		_, _ = r.service.RedeemTicket(t.Context(), ticket)
	}
	assert.LessOrEqual(t, r.journal.Durable()-before, notify.Sequence(3))
	_, err := r.service.RedeemTicket(t.Context(), ticket)
	assert.ErrorIs(t, err, notify.ErrTokenInvalid)
	_, err = r.service.RedeemTicket(t.Context(), r.ticket(ada()))
	assert.NoError(t, err, "another ticket")
}

// A string that is no ticket causes no entry: a caller without a token cannot make
// the disk sync.
func TestNoTicket(t *testing.T) {
	r := newRig(t)
	good := r.ticket(ada())
	before := r.store.Stats().WALBytes
	for _, ticket := range []string{"", "x", good + "x", good[:42], good[:42] + "!", strings.Repeat("A", 43), strings.Repeat("A", 1<<20)} {
		p, err := r.service.RedeemTicket(t.Context(), ticket)
		require.ErrorIs(t, err, notify.ErrTokenInvalid)
		assert.Zero(t, p)
		assert.Equal(t, "token invalid: this service did not issue the ticket; request one with POST /tickets", err.Error(), "no byte of what was shown")
	}
	assert.Equal(t, before, r.store.Stats().WALBytes)
}

func TestATicketEndsWithItsToken(t *testing.T) {
	r := newRig(t)
	_, err := r.service.IssueTicket(t.Context(), backend())
	require.ErrorIs(t, err, notify.ErrScope)

	expired := ada()
	expired.Expires = time.Now().Add(-notify.Leeway - time.Millisecond)
	_, err = r.service.RedeemTicket(t.Context(), r.ticket(expired))
	require.ErrorIs(t, err, notify.ErrTokenExpired)

	ticket := r.ticket(ada())
	require.NoError(t, r.service.Revoke(t.Context(), notify.Principal{}, notify.Revocation{TokenID: "one"}))
	_, err = r.service.RedeemTicket(t.Context(), ticket)
	require.ErrorIs(t, err, notify.ErrTokenRevoked)
}

func TestRevokedConnectionsEnd(t *testing.T) {
	r := newRig(t)
	other := ada()
	other.TokenID = "two"
	one, two, grace := r.connectAs(ada(), ""), r.connectAs(other, ""), r.connect("grace", "")

	require.NoError(t, r.service.Revoke(t.Context(), notify.Principal{}, notify.Revocation{TokenID: "one"}))
	r.publish("still here", "ada", "grace") // behind the revocation, in one order
	assert.Equal(t, []string{"welcome", "live", "still here"}, two.received(3))
	assert.Equal(t, []string{"welcome", "live", "still here"}, grace.received(3))
	assert.True(t, one.conn.Ended())
	assert.False(t, two.conn.Ended())
	assert.True(t, r.service.Revoked(ada()))
	assert.False(t, r.service.Revoked(other))

	require.NoError(t, r.service.Revoke(t.Context(), notify.Principal{}, notify.Revocation{User: "ada", Before: other.Issued.Add(time.Second)}))
	r.publish("alone", "ada", "grace")
	assert.Equal(t, []string{"welcome", "live", "still here", "alone"}, grace.received(4))
	assert.True(t, two.conn.Ended())
	assert.True(t, r.service.Revoked(other))

	r.restart()
	assert.True(t, r.service.Revoked(ada()))
	assert.True(t, r.service.Revoked(other))
	later := other
	later.Issued = later.Issued.Add(time.Second)
	assert.False(t, r.service.Revoked(later), "a token of that very second stays good")
}

// A token can be revoked after it was checked and before its connection is
// registered with the hub, which therefore does not end it.
func TestRevokedWhileConnecting(t *testing.T) {
	r := newRig(t)
	require.NoError(t, r.service.Revoke(t.Context(), notify.Principal{}, notify.Revocation{TokenID: "one"}))
	d := &device{r: r, user: "ada", more: make(chan struct{}, 1)}
	d.conn = r.hub.NewConn(ada(), "c", nil, d)
	require.NoError(t, r.hub.Register(d.conn))
	require.False(t, r.service.Join(t.Context(), d.conn, service.Earliest, func() { t.Error("it was welcomed") }))
	r.stop() // waits for what is still to be written
	r.start()
	assert.Empty(t, d.all())
	require.NotNil(t, d.closed)
	assert.Equal(t, notify.CloseRevoked, *d.closed)
}

func TestRevokeChecksItsTarget(t *testing.T) {
	r := newRig(t)
	for _, e := range []notify.Revocation{
		{},
		{User: "ada"},
		{User: "ada", Before: time.Now(), TokenID: "one"},
		{TokenID: "one", Before: time.Now()},
		{Before: time.Now()},
		{User: "ada", Before: time.Now().Add(time.Hour)}, // a revocation cannot be taken back
	} {
		require.ErrorIs(t, r.service.Revoke(t.Context(), notify.Principal{}, e), notify.ErrInvalid, "%+v", e)
	}
	require.NoError(t, r.service.Ready())
	assert.False(t, r.service.Revoked(ada()))
}

func TestPublishingIsRateLimited(t *testing.T) {
	two := func(name string) *limit.Limiter {
		return limit.New(notify.Rate{Name: name, Quota: 2, Window: time.Hour}, 2)
	}
	r := newRig(t, func(r *rig) { r.broadcasts, r.publishes = two("broadcasts"), two("publishes") })
	invalid := draft("no type")
	invalid.Type = ""
	items := []wire.BatchItem{
		{Draft: invalid},
		{Draft: draft("a")},
		{Draft: draft("b")},
		{Draft: draft("c")},
		{Draft: draft("d", "ada")},
		{Draft: draft("e", "ada", "grace")},
		{Draft: draft("f", "ada")},
	}
	results := r.service.PublishBatch(t.Context(), backend(), service.Call{Key: "k"}, items)
	for i, want := range []error{notify.ErrInvalid, nil, nil, notify.ErrLimit, nil, nil, notify.ErrLimit} {
		require.ErrorIs(t, results[i].Err, want, "item %d", i)
	}
	var e *notify.Error
	require.ErrorAs(t, results[3].Err, &e)
	assert.Equal(t, "broadcasts", e.Rate.Name)
	assert.Positive(t, e.RetryAfter)

	other := backend()
	other.Name = "user:another"
	_, err := r.service.Publish(t.Context(), other, service.Call{}, draft("g"))
	require.NoError(t, err, "another principal's rate")
}

// caughtUp counts how often the service catches up with other nodes.
type caughtUp struct {
	notify.Journal
	times int
}

func (c *caughtUp) CatchUp(context.Context) { c.times++ }

// Anybody can make up tickets. They must not cause work for the cluster each time.
func TestMadeUpTicketsRarelyCatchUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var counted *caughtUp
		r := newRig(t, func(r *rig) {
			r.wrapJournal = func(j notify.Journal) notify.Journal {
				counted = &caughtUp{Journal: j}
				return counted
			}
		})
		for range 1_000 {
			_, err := r.service.RedeemTicket(t.Context(), rand.Text())
			require.ErrorIs(t, err, notify.ErrTokenInvalid)
		}
		assert.Equal(t, 10, counted.times)
	})
}
