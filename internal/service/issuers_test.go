package service_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/wire"
)

// accepted are the issuers whose tokens are accepted, by name.
type accepted map[string]*notify.Issuer

func (a accepted) Issuer(name string) *notify.Issuer { return a[name] }

func (a accepted) OnlyIssuer() *notify.Issuer {
	for _, i := range a {
		if len(a) == 1 {
			return i
		}
	}
	return nil
}

// tenants are two issuers with prefixes, and one without bounds.
func tenants() accepted {
	all := accepted{"operator": {Name: "operator"}}
	for _, name := range []string{"acme", "bank"} {
		all[name] = &notify.Issuer{Name: name, Bound: &notify.Bound{
			Prefix: name + ":", Topics: []notify.TopicPattern{notify.TopicPattern(name) + ".*"},
		}}
	}
	return all
}

// everything is all scopes.
var everything = []notify.Scope{notify.ScopePublish, notify.ScopeBroadcast, notify.ScopeAdmin, notify.ScopeTopics}

// userOf is a user of an issuer who has all scopes.
func (a accepted) userOf(issuer, name string) notify.Principal {
	p := ada()
	p.Issuer, p.User, p.Scopes = a[issuer], notify.UserID(name), everything
	p.Name = "user:" + name
	return p
}

func TestPublishWithinABound(t *testing.T) {
	r := newRig(t)
	by := tenants().userOf("acme", "acme:ada")
	for name, test := range map[string]struct {
		draft notify.Draft
		ok    bool
	}{
		"own users":                {draft("a", "acme:ada", "acme:new"), true},
		"own topics":               {toTopics("a", "acme.x", "acme.y.z"), true},
		"a user of another":        {draft("a", "acme:ada", "bank:ada"), false},
		"a user of no issuer":      {draft("a", "acme:ada", "acme"), false},
		"a topic of another":       {toTopics("a", "acme.x", "bank.x"), false},
		"a topic that looks alike": {toTopics("a", "acme"), false},
		"everyone":                 {draft("a"), false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.service.Publish(t.Context(), by, service.Call{}, test.draft)
			results := r.service.PublishBatch(t.Context(), by, service.Call{}, []wire.BatchItem{{Draft: test.draft}, {Draft: draft("b", "acme:ada")}})
			require.NoError(t, results[1].Err, "of an item that is within")
			if test.ok {
				require.NoError(t, err)
				require.NoError(t, results[0].Err)
				return
			}
			require.ErrorIs(t, err, notify.ErrScope)
			require.ErrorIs(t, results[0].Err, notify.ErrScope)
		})
	}
	_, err := r.service.Publish(t.Context(), backend(), service.Call{}, draft("a", "acme:ada", "bank:ada"))
	require.NoError(t, err, "an API key has no bound")
}

// Users of two issuers may have the same name: their idempotency keys are distinct.
func TestIdempotencyKeysAreSeparateForEachIssuer(t *testing.T) {
	r := newRig(t)
	all, call := tenants(), service.Call{Path: "/notify", Key: "k"}
	for _, issuer := range []string{"acme", "bank"} {
		user := notify.UserID(issuer + ":42")
		got, err := r.service.Publish(t.Context(), all.userOf(issuer, string(user)), call, draft("a", user))
		require.NoError(t, err)
		assert.False(t, got.Duplicate)
	}
}

func TestAdministerWithinABound(t *testing.T) {
	r := newRig(t)
	by := tenants().userOf("acme", "acme:ada")
	own, other := r.connect("acme:ada", ""), r.connect("bank:ada", "")
	for _, user := range []notify.UserID{"bank:ada", "bank:unknown", "acme", "ada"} { // whether they exist or not
		_, err := r.service.Connections(t.Context(), by, user)
		require.ErrorIs(t, err, notify.ErrScope)
		require.Equal(t, err, r.service.Disconnect(t.Context(), by, user))
		require.Equal(t, err, r.service.Revoke(t.Context(), by, notify.Revocation{User: user, Before: by.Issued}))
	}
	open, err := r.service.Connections(t.Context(), by, "acme:ada")
	require.NoError(t, err)
	assert.Len(t, open.Open, 1)
	require.NoError(t, r.service.Disconnect(t.Context(), by, "acme:ada"))
	assert.True(t, own.conn.Ended())
	assert.False(t, other.conn.Ended())
	require.NoError(t, r.service.Revoke(t.Context(), by, notify.Revocation{User: "acme:grace", Before: by.Issued}))
}

// A token of an issuer neither sees nor changes members and memberships beyond its users and topics.
func TestMembersWithinABound(t *testing.T) {
	r := newRig(t)
	all := tenants()
	by, operator := all.userOf("acme", "acme:ada"), all.userOf("operator", "root")
	change := func(by notify.Principal, topic notify.Topic, add ...notify.UserID) error {
		_, _, err := r.service.ChangeMembers(t.Context(), by, notify.Members{Topic: topic, Add: add})
		return err
	}
	require.NoError(t, change(operator, "acme.x", "acme:ada", "acme:grace", "bank:ada", "aaa"))
	require.NoError(t, change(operator, "bank.x", "acme:ada"))
	require.ErrorIs(t, change(by, "bank.x", "acme:grace"), notify.ErrScope)
	require.ErrorIs(t, change(by, "acme.x", "acme:eve", "bank:eve"), notify.ErrScope)

	members, more, err := r.service.Members(t.Context(), by, "acme.x", "", 1)
	require.NoError(t, err)
	require.True(t, more)
	require.Equal(t, []notify.UserID{"acme:ada"}, members)
	members, more, err = r.service.Members(t.Context(), by, "acme.x", "acme:ada", 10)
	require.NoError(t, err)
	require.False(t, more)
	require.Equal(t, []notify.UserID{"acme:grace"}, members)
	_, _, err = r.service.Members(t.Context(), by, "bank.x", "", 10)
	require.ErrorIs(t, err, notify.ErrScope)

	joined, left, err := r.service.SetTopics(t.Context(), by, notify.UserTopics{User: "acme:ada", Topics: []notify.Topic{"acme.y"}})
	require.NoError(t, err)
	require.Equal(t, []int{1, 1}, []int{joined, left})
	own, err := r.service.TopicsOf(t.Context(), by, "acme:ada")
	require.NoError(t, err)
	require.Equal(t, []notify.Topic{"acme.y"}, own)
	every, err := r.service.TopicsOf(t.Context(), operator, "acme:ada")
	require.NoError(t, err)
	require.Equal(t, []notify.Topic{"acme.y", "bank.x"}, every, "those of others stay")
	_, err = r.service.TopicsOf(t.Context(), by, "bank:ada")
	require.ErrorIs(t, err, notify.ErrScope)
}

// An operator of an issuer reads and changes the preferences of its own users only, and a user without
// a scope only its own.
func TestPreferencesWithinABound(t *testing.T) {
	r := newRig(t)
	by, operator := tenants().userOf("acme", "acme:root"), backend()
	by.Scopes, operator.Scopes = everything, everything
	set := func(by notify.Principal, u notify.UserID) error {
		_, err := r.service.Preferences(t.Context(), by, u)
		failed := r.service.SetPreferences(t.Context(), by, notify.UserPreferences{User: u})
		require.Equal(t, err, failed)
		return failed
	}
	require.NoError(t, set(by, "acme:ada"))
	require.ErrorIs(t, set(by, "bank:ada"), notify.ErrScope)
	require.NoError(t, set(operator, "bank:ada"))
	require.ErrorIs(t, set(operator, ""), notify.ErrScope, "an API key has none")
	grace := notify.Principal{User: "grace", Name: "user:grace"}
	require.NoError(t, set(grace, "grace"))
	require.ErrorIs(t, set(grace, "ada"), notify.ErrScope)
}

func TestRecallWithinABound(t *testing.T) {
	r := newRig(t)
	by := tenants().userOf("acme", "acme:ada")
	none := r.service.Recall(t.Context(), by, "0193a5e8-7f6b-7c3d-9a41-5f0e2b8d6c10")
	require.ErrorIs(t, none, notify.ErrNotFound)
	for _, d := range []notify.Draft{draft("a", "acme:ada", "bank:ada"), toTopics("a", "bank.x"), draft("a")} {
		id := r.submit(d).ID
		require.Equal(t, none, r.service.Recall(t.Context(), by, id), "as if there were none")
		require.NoError(t, r.service.Recall(t.Context(), backend(), id))
	}
	require.NoError(t, r.service.Recall(t.Context(), by, r.submit(draft("a", "acme:ada")).ID))
}

// A jti belongs to an issuer: the one that the revocation names, else the caller's own,
// else the only one.
func TestRevokeByIssuer(t *testing.T) {
	all := tenants()
	acme, bank, operator := all.userOf("acme", "acme:ada"), all.userOf("bank", "bank:ada"), all.userOf("operator", "root")
	key := notify.Principal{Name: "key:ops", Scopes: everything}
	for name, test := range map[string]struct {
		by      notify.Principal
		issuer  string
		kind    error
		revoked string // whose token
	}{
		"its own by default":           {acme, "", nil, "acme"},
		"its own by name":              {acme, "acme", nil, "acme"},
		"another's":                    {acme, "bank", notify.ErrScope, ""},
		"unknown, with a bound":        {acme, "unknown", notify.ErrScope, ""},
		"another's, without a bound":   {operator, "bank", nil, "bank"},
		"unknown, without a bound":     {operator, "unknown", notify.ErrInvalid, ""},
		"by default, without a bound":  {operator, "", nil, "operator"},
		"an API key":                   {key, "bank", nil, "bank"},
		"an API key that does not say": {key, "", notify.ErrInvalid, ""},
		"an API key, unknown":          {key, "unknown", notify.ErrInvalid, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(r *rig) { r.issuers = all })
			err := r.service.Revoke(t.Context(), test.by, notify.Revocation{TokenID: "one", Issuer: test.issuer})
			if test.kind == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, test.kind)
			}
			r.restart()
			for _, p := range []notify.Principal{acme, bank, operator} {
				assert.Equal(t, p.Issuer.Name == test.revoked, r.service.Revoked(p), p.Issuer.Name)
			}
		})
	}
	t.Run("the only one", func(t *testing.T) {
		r := newRig(t, func(r *rig) { r.issuers = accepted{"bank": all["bank"]} })
		require.NoError(t, r.service.Revoke(t.Context(), key, notify.Revocation{TokenID: "one"}))
		assert.True(t, r.service.Revoked(bank))
		assert.False(t, r.service.Revoked(acme))
	})
	t.Run("a user's", func(t *testing.T) {
		r := newRig(t)
		err := r.service.Revoke(t.Context(), key, notify.Revocation{User: "ada", Before: acme.Issued, Issuer: "acme"})
		require.ErrorContains(t, err, "/issuer")
	})
}

// A ticket is invalid after the configuration of its issuer has changed.
func TestATicketOfARemovedIssuer(t *testing.T) {
	all := tenants()
	r := newRig(t, func(r *rig) { r.issuers = all })
	by := all.userOf("acme", "acme:ada")
	by.TopicsIgnored = 2
	good, gone, changed := r.ticket(by), r.ticket(by), r.ticket(by)

	now := &notify.Issuer{Name: "acme", Bound: all["acme"].Bound} // the same, read again
	all["acme"] = now
	p, err := r.service.RedeemTicket(t.Context(), good)
	require.NoError(t, err)
	assert.Same(t, now, p.Issuer)
	assert.Equal(t, 2, p.TopicsIgnored)

	delete(all, "acme")
	_, err = r.service.RedeemTicket(t.Context(), gone)
	require.ErrorIs(t, err, notify.ErrTokenInvalid)
	all["acme"] = &notify.Issuer{Name: "acme", Version: [16]byte{1}}
	_, err = r.service.RedeemTicket(t.Context(), changed)
	require.ErrorIs(t, err, notify.ErrTokenInvalid)
}

// An issuer can be withdrawn after a token was checked and before its connection
// is registered with the hub, which therefore does not end it.
func TestIssuerWithdrawnWhileConnecting(t *testing.T) {
	r := newRig(t)
	all := tenants()
	d := &device{r: r, user: "acme:ada", more: make(chan struct{}, 1)}
	d.conn = r.hub.NewConn(all.userOf("acme", "acme:ada"), "c", nil, d)
	require.NoError(t, r.hub.Register(d.conn))
	all["acme"].Withdraw(notify.CloseDisconnected)
	assert.False(t, r.service.JoinAtOnce(d.conn, ""))
	require.False(t, r.service.Join(t.Context(), d.conn, "", func() { t.Error("it was welcomed") }))
	r.stop() // waits for what is still to be written
	r.start()
	require.NotNil(t, d.closed)
	assert.Equal(t, notify.CloseDisconnected, *d.closed)
}

// A token traces only notifications whose recipients are all within its bound, and others are as
// unknown as an ID that nobody has.
func TestTraceWithinABound(t *testing.T) {
	r := newRig(t)
	by := tenants().userOf("acme", "acme:ada")
	publish := func(d notify.Draft) string {
		receipt, err := r.service.Publish(t.Context(), backend(), service.Call{}, d)
		require.NoError(t, err)
		return receipt.ID
	}
	within := publish(draft("a", "acme:ada"))
	found, err := r.service.Trace(t.Context(), by, within, "")
	require.NoError(t, err)
	assert.Len(t, found.Users, 1)
	_, unknown := r.service.Trace(t.Context(), by, "00000000-0000-7000-8000-000000000000", "")
	require.ErrorIs(t, unknown, notify.ErrNotFound)
	for _, d := range []notify.Draft{draft("a", "acme:ada", "bank:ada"), toTopics("a", "bank.x")} {
		_, err := r.service.Trace(t.Context(), by, publish(d), "")
		require.Equal(t, unknown, err)
	}
	_, err = r.service.Trace(t.Context(), by, within, "bank:ada")
	require.ErrorIs(t, err, notify.ErrScope)
	_, err = r.service.Trace(t.Context(), by, "no id", "")
	require.ErrorIs(t, err, notify.ErrNotFound)
	_, err = r.service.RemovedOf(t.Context(), by, "bank:ada", service.Query{Limit: 1})
	require.ErrorIs(t, err, notify.ErrScope)
	_, err = r.service.ListOf(t.Context(), by, "bank:ada", service.Query{Limit: 1})
	require.ErrorIs(t, err, notify.ErrScope)
}
