package auth_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
)

// TestPrincipalsHaveTheClaimsForRevocation shows iat and jti in the principal, and
// that no token outlives its iat by more than 31 days.
func TestPrincipalsHaveTheClaimsForRevocation(t *testing.T) {
	v := start(t, auth.Options{Secrets: [][]byte{secret()}})
	id := strings.Repeat("j", 256)
	oldest := at(time.Hour - auth.MaxLifetime - notify.Leeway)
	p, err := v.Verify(t.Context(), seal(header, claimsWith(fmt.Sprintf(`"iat":%d,"jti":"%s"`, oldest, id))))
	require.NoError(t, err)
	require.Equal(t, id, p.TokenID)
	require.Equal(t, oldest, p.Issued.Unix())

	p, err = v.Verify(t.Context(), seal(header, claimsWith(``)))
	require.NoError(t, err)
	require.Empty(t, p.TokenID)
	require.True(t, p.Issued.IsZero())
}

func TestRevoked(t *testing.T) {
	var revoked notify.Revocation
	v := start(t, auth.Options{Secrets: [][]byte{secret()}, Revoked: func(p notify.Principal) bool { return revoked.Concerns(p) }})
	revoked.TokenID = "none"
	token := seal(header, claimsWith(`"jti":"7"`))
	for range 2 { // the second from the cache
		_, err := v.Verify(t.Context(), token)
		require.NoError(t, err)
	}
	revoked.TokenID = "7"
	for range 2 {
		p, err := v.Verify(t.Context(), token)
		requireKind(t, notify.ErrTokenRevoked, err, token)
		require.Zero(t, p)
	}
	other := seal(header, claimsWith(`"jti":"8"`))
	_, err := v.Verify(t.Context(), other)
	require.NoError(t, err)
	revoked = notify.Revocation{User: "ada", Before: noon()}
	_, err = v.Verify(t.Context(), other)
	requireKind(t, notify.ErrTokenRevoked, err, other)
}
