package hub_test

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
)

func TestConnections(t *testing.T) {
	h := hub.New(hub.Options{})
	var want []notify.Connection
	for _, from := range []string{"192.0.2.1", "::ffff:192.0.2.2", "2001:db8::1%eth0", ""} {
		id := uuid.Must(uuid.NewV7())
		c := notify.Connection{ID: id.String(), Transport: "test", Since: time.Unix(id.Time().UnixTime())}
		var slot *hub.Slot
		if from != "" {
			slot, c.Address = admit(t, h, from), address(from).Unmap().WithZone("")
		}
		if err := h.Register(h.NewConn(user("ada"), c.ID, slot, newPeer())); err != nil {
			t.Fatal(err)
		}
		want = append(want, c)
	}
	connect(t, h, user("grace"))
	got := h.Connections("ada")
	if len(got) != len(want) {
		t.Fatalf("there are %v", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %v, want %v", got[i], want[i])
		}
		if time.Since(got[i].Since).Abs() > time.Minute {
			t.Errorf("since %v", got[i].Since)
		}
	}
	if got := h.Connections("eve"); len(got) != 0 {
		t.Errorf("a user without connections has %v", got)
	}
	if got := h.Connections("grace"); !got[0].Since.IsZero() || got[0].Address != (netip.Addr{}) {
		t.Errorf("made up %v", got)
	}
	h.Drain(context.Background(), 0)
}

func TestDisconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{})
		_, first := connect(t, h, user("ada"))
		_, second := join(t, h, user("ada"))
		_, other := connect(t, h, user("grace"))
		if n := h.Disconnect("grace", "no such connection", notify.CloseDisconnected); n != 0 {
			t.Errorf("of an ID that no connection has: %d", n)
		}
		if n := h.Disconnect("ada", "", notify.CloseDisconnected); n != 2 {
			t.Errorf("there were %d", n)
		}
		if n := h.Disconnect("ada", "", notify.CloseDisconnected); n != 0 {
			t.Errorf("then %d", n)
		}
		synctest.Wait()
		first.wantEnd(t, notify.CloseDisconnected)
		second.wantEnd(t, notify.CloseDisconnected)
		other.wantEnd(t, notify.Close{})
		h.Drain(context.Background(), 0)
	})
}

func TestRevoke(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	token := func(u, id string, issued time.Time) notify.Principal {
		p := user(u)
		p.TokenID, p.Issued = id, issued
		return p
	}
	of := func(issuer string, p notify.Principal) notify.Principal {
		p.Issuer = &notify.Issuer{Name: issuer}
		return p
	}
	tokens := []notify.Principal{
		token("ada", "1", at.Add(-time.Second)),
		token("ada", "2", at),
		token("ada", "3", time.Time{}),
		token("grace", "2", at.Add(-time.Second)),
		token("grace", "", time.Time{}),
		of("one", token("one:ada", "2", at)),
		of("two", token("two:ada", "2", at)),
	}
	for name, c := range map[string]struct {
		r    notify.Revocation
		ends [7]bool
	}{
		"by user":  {notify.Revocation{User: "ada", Before: at}, [7]bool{0: true, 2: true}},
		"by token": {notify.Revocation{TokenID: "2"}, [7]bool{1: true, 3: true, 5: true, 6: true}},
		"of one":   {notify.Revocation{TokenID: "2", Issuer: "one"}, [7]bool{5: true}},
		"of none":  {notify.Revocation{User: "eve", Before: at}, [7]bool{}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := hub.New(hub.Options{})
				var peers []*peer
				for _, p := range tokens {
					_, to := connect(t, h, p)
					peers = append(peers, to)
				}
				h.Revoke(c.r)
				synctest.Wait()
				for i, to := range peers {
					want := notify.Close{}
					if c.ends[i] {
						want = notify.CloseRevoked
					}
					to.wantEnd(t, want)
				}
				h.Drain(context.Background(), 0)
			})
		})
	}
}

func TestRenew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(hub.Options{Silence: 24 * time.Hour})
		run(t, h)
		p := user("ada")
		p.Expires = time.Now().Add(time.Minute)
		later, to := connect(t, h, p)
		sooner, to2 := connect(t, h, p)
		_, to3 := connect(t, h, p)
		pass(30 * time.Second)

		renewed := p
		renewed.Expires, renewed.TokenID = time.Now().Add(time.Hour), "new"
		renewed.Since = time.Now()
		renewed.Scopes = []notify.Scope{notify.ScopePublish}
		if !later.Renew(renewed) {
			t.Fatal("it was not renewed")
		}
		if got := later.Principal(); got.TokenID != "new" || got.MayPublish() != nil {
			t.Errorf("it is %+v", got)
		}
		deliverToAll(h, 1, renewed.Since.Add(-time.Second))
		renewed.Expires = time.Now().Add(2 * time.Second)
		if !sooner.Renew(renewed) {
			t.Fatal("it was not renewed")
		}
		pass(3 * time.Second)
		to2.wantEnd(t, notify.CloseExpired)
		to3.wantEnd(t, notify.Close{})
		pass(28 * time.Second)
		to3.wantEnd(t, notify.CloseExpired)
		to.wantEnd(t, notify.Close{})
		to.want(t)       // hidden by its new token
		to3.want(t, "1") // and not by its old one

		if later.Renew(user("grace")) || later.Principal().User != "ada" {
			t.Error("it became another user's")
		}
		forever := user("ada")
		if !later.Renew(forever) {
			t.Fatal("it was not renewed")
		}
		pass(2 * time.Hour)
		to.wantEnd(t, notify.Close{})
		h.Revoke(notify.Revocation{User: "ada", Before: time.Now()})
		if later.Renew(renewed) {
			t.Error("it was renewed after its end")
		}
	})
}

// The principal is read while it is renewed and the wheel turns. The race detector is the
// judge.
func TestConcurrentRenewals(t *testing.T) {
	h := hub.New(hub.Options{QueueLen: 4 * 200}) // fits every event, however late it is written
	run(t, h)
	c, _ := connect(t, h, user("ada"))
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for range 200 {
				p := c.Principal()
				p.Expires = time.Now().Add(time.Hour + time.Duration(i)*time.Second)
				c.Renew(p)
				h.Revoke(notify.Revocation{TokenID: "none"})
				deliverToAll(h, 0, time.Now())
			}
		})
	}
	wg.Wait()
	if c.Ended() {
		t.Error("it ended")
	}
}

// The wall clock decides, whichever way it is set.
func TestExpiryWhenTheClockIsSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ahead atomic.Int64
		h := hub.New(hub.Options{Silence: 24 * time.Hour, WallClock: func() time.Time {
			return time.Now().Round(0).Add(time.Duration(ahead.Load()))
		}})
		run(t, h)
		p := user("ada")
		p.Expires = time.Now().Add(10 * time.Second)
		_, ada := connect(t, h, p)
		pass(5 * time.Second)
		ahead.Store(int64(-time.Hour))
		pass(10 * time.Second) // of the old time, it would have expired
		ada.wantEnd(t, notify.Close{})
		_, late := connect(t, h, p)
		pass(time.Hour - 7*time.Second)
		ada.wantEnd(t, notify.Close{})
		late.wantEnd(t, notify.Close{})
		pass(3 * time.Second)
		ada.wantEnd(t, notify.CloseExpired)
		late.wantEnd(t, notify.CloseExpired)

		p.Expires = time.Now().Add(time.Minute - time.Hour)
		_, again := connect(t, h, p)
		pass(10 * time.Second)
		ahead.Store(0) // an hour forward
		pass(time.Second)
		again.wantEnd(t, notify.CloseExpired)
	})
}

// The connections of an issuer that was withdrawn end within a second of the
// count's growing, all others stay.
func TestWithdrawnIssuersConnectionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var withdrawals atomic.Uint64
		h := hub.New(hub.Options{Withdrawals: withdrawals.Load})
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { h.Run(ctx) })
		gone, changed, other := &notify.Issuer{Name: "gone"}, &notify.Issuer{Name: "changed"}, &notify.Issuer{Name: "other"}
		of := func(i *notify.Issuer, name string) notify.Principal {
			p := user(name)
			p.Issuer = i
			return p
		}
		var peers []*peer
		for _, p := range []notify.Principal{of(gone, "ada"), of(gone, "ada"), of(changed, "grace"), of(other, "eve"), user("bob")} {
			_, to := connect(t, h, p)
			peers = append(peers, to)
		}
		_, joining := join(t, h, of(gone, "zoe"))
		renewed, to := connect(t, h, of(gone, "kim"))
		renewed.Renew(of(other, "kim"))
		gone.Withdraw(notify.CloseRevoked)
		changed.Withdraw(notify.CloseDisconnected)
		time.Sleep(2 * time.Second)
		peers[0].wantEnd(t, notify.Close{}) // the count of withdrawals has not grown
		withdrawals.Add(1)
		time.Sleep(time.Second)
		synctest.Wait()
		for i, want := range []notify.Close{notify.CloseRevoked, notify.CloseRevoked, notify.CloseDisconnected, {}, {}} {
			peers[i].wantEnd(t, want)
		}
		joining.wantEnd(t, notify.CloseRevoked)
		to.wantEnd(t, notify.Close{})
		stop()
		running.Wait()
		h.Drain(context.Background(), 0)
	})
}
