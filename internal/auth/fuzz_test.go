package auth_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
)

// FuzzVerify offers a header and claims under a true signature, and what is in
// them as a token by itself.
func FuzzVerify(f *testing.F) {
	for _, claims := range []string{
		claimsWith(``), claimsWith(`"scope":["notify:admin"],"aud":["a"],"since":1.5e9,"topics":["a.*"]`),
		`{"sub":"eve","sub":"ada","exp":9e18}`, `{"SUB":"ada"}`, "\ufeff{}", `[]`,
	} {
		f.Add(header, claims)
	}
	f.Add(`{"alg":"none","crit":["x"]}`, "")
	f.Add(`{"alg":"HS256","kid":"\ud800"}`, claimsWith(`"x":{"a":[{}]}`))
	f.Add("eyJhbGciOiJIUzI1NiJ9.e30.c2ln", "..")

	v := start(f, auth.Options{Secrets: [][]byte{secret()}})
	f.Fuzz(func(t *testing.T, header, claims string) {
		for _, raw := range []string{header, claims, header + "." + claims} {
			_, err := v.Verify(t.Context(), raw)
			require.ErrorIs(t, err, notify.ErrTokenInvalid)
		}
		p, err := v.Verify(t.Context(), seal(header, claims))
		if err != nil {
			var known bool
			for _, kind := range []error{notify.ErrTokenInvalid, notify.ErrTokenExpired} {
				known = known || strings.HasPrefix(err.Error(), kind.Error())
			}
			require.True(t, known, "%v", err)
			return
		}
		_, err = notify.ParseUser(string(p.User))
		require.NoError(t, err)
		require.True(t, p.Expires.Add(auth.Leeway).After(noon()))
		require.False(t, p.Expires.After(noon().Add(auth.MaxLifetime+2*auth.Leeway)))
		var read map[string]any
		require.NoError(t, json.Unmarshal([]byte(claims), &read))
		require.Equal(t, string(p.User), read["sub"])
	})
}
