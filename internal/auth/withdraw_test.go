package auth_test

import (
	"os"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
)

// TestWithdrawnIssuers changes the issuers file. Removed and changed issuers are withdrawn.
// Unchanged issuers and the issuer of the settings are not.
func TestWithdrawnIssuers(t *testing.T) {
	const audience = "  audiences: [bellhop]\n"
	one := secretEntry(t, "one", audience+"  user_prefix: 'one:'\n  scopes: [notify:publish]\n")
	two := secretEntry(t, "two", audience+"  user_prefix: 'two:'\n")
	three := secretEntry(t, "three", audience+"  user_prefix: 'three:'\n")
	path := write(t, "issuers.yaml", []byte(one+two+three))
	v := start(t, auth.Options{Secrets: [][]byte{secret()}, UserPrefix: "me:", IssuersFile: path})
	token := func(issuer string) string {
		return signOf(t, "HS256", "", secret(), jwt.MapClaims{"iss": issuer, "aud": "bellhop", "sub": "ada", "scope": "notify:publish"})
	}
	before := map[string]notify.Principal{}
	for _, issuer := range []string{"one", "two", "three", "four"} {
		p, err := v.Verify(t.Context(), token(issuer))
		require.NoError(t, err)
		before[issuer] = p
	}
	require.Same(t, before["one"].Issuer, v.Issuer("one"))
	require.Same(t, before["four"].Issuer, v.Issuer(notify.AnyIssuer))
	require.Nil(t, v.Issuer("four"))
	require.Nil(t, v.OnlyIssuer())
	require.Zero(t, v.Withdrawals())

	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(one, "[notify:publish]", "[]", 1)+three), 0o600))
	require.NoError(t, v.Reload(t.Context()))
	require.EqualValues(t, 1, v.Withdrawals())
	for issuer, want := range map[string]notify.Close{"one": notify.CloseDisconnected, "two": notify.CloseRevoked, "three": {}, "four": {}} {
		why, withdrawn := before[issuer].Issuer.Withdrawn()
		require.Equal(t, want, why, issuer)
		require.Equal(t, want != notify.Close{}, withdrawn, issuer)
	}
	_, err := v.Verify(t.Context(), token("two"))
	require.NoError(t, err, "the settings accept tokens of issuers that are not in the file")
	p, err := v.Verify(t.Context(), token("one"))
	require.NoError(t, err)
	require.NotSame(t, before["one"].Issuer, p.Issuer)
	require.NotEqual(t, before["one"].Issuer.Version, p.Issuer.Version)
	require.Empty(t, p.Scopes, "a cached result must not keep the scopes of the old entry")
	require.Nil(t, v.Issuer("two"))

	require.NoError(t, os.WriteFile(path, []byte(one), 0o600))
	require.NoError(t, v.Reload(t.Context()))
	require.Equal(t, before["one"].Issuer.Version, v.Issuer("one").Version, "the same entry as before")
}

func TestTheOnlyIssuer(t *testing.T) {
	require.Equal(t, "one", startFile(t, secretEntry(t, "one", "  audiences: [bellhop]\n")).OnlyIssuer().Name)
	require.Equal(t, notify.AnyIssuer, start(t, auth.Options{Secrets: [][]byte{secret()}}).OnlyIssuer().Name)
	require.Equal(t, "me", start(t, auth.Options{Secrets: [][]byte{secret()}, Issuer: "me"}).OnlyIssuer().Name)
}
