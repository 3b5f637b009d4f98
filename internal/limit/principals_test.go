package limit_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/limit"
	"github.com/bellhop/bellhop/internal/notify"
)

func TestUsersAndBackendsHaveRatesOfTheirOwn(t *testing.T) {
	once := limit.New(notify.Rate{Name: "requests", Quota: 1, Window: time.Hour}, 0)
	l := &limit.Principals{Users: once}
	for name, p := range map[string]notify.Principal{
		"a publisher":   {User: "ada", Name: "user:a", Scopes: []notify.Scope{notify.ScopePublish}},
		"a broadcaster": {User: "ada", Name: "user:b", Scopes: []notify.Scope{"openid", notify.ScopeBroadcast}},
		"an operator":   {User: "ada", Name: "user:c", Scopes: []notify.Scope{notify.ScopeAdmin}},
		"an API key":    {Name: "key:shop"},
	} {
		for range 3 {
			require.NoError(t, l.Allow(p), name)
		}
	}
	for _, name := range []string{"user:ada", "user:grace"} {
		p := notify.Principal{User: "u", Name: name, Scopes: []notify.Scope{"openid"}}
		require.NoError(t, l.Allow(p))
		require.ErrorIs(t, l.Allow(p), notify.ErrLimit)
	}
	require.ErrorIs(t, (&limit.Principals{Backends: once}).Allow(notify.Principal{Name: "user:ada"}), notify.ErrLimit, "one bucket")
	var none *limit.Principals
	require.NoError(t, none.Allow(notify.Principal{}))
}
