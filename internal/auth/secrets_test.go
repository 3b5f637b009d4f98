package auth_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
)

// The secrets of the settings can rotate without a restart, also for tokens that were verified
// with the old ones.
func TestSecretsAreReplaced(t *testing.T) {
	next := []byte("fedcba9876543210fedcba9876543210")
	v := start(t, auth.Options{Secrets: [][]byte{secret()}})
	before, after := sign(t, "HS256", "", secret()), sign(t, "HS256", "", next)
	_, err := v.Verify(context.Background(), before)
	require.NoError(t, err)
	_, err = v.Verify(context.Background(), after)
	requireKind(t, notify.ErrTokenInvalid, err, after)

	require.NoError(t, v.SetSecrets(auth.Options{Secrets: [][]byte{next, secret()}}))
	for _, token := range []string{before, after} {
		_, err = v.Verify(context.Background(), token)
		require.NoError(t, err)
	}
	require.Equal(t, 2, v.Issuers()[0].Keys)
	require.NoError(t, v.SetSecrets(auth.Options{Secrets: [][]byte{next}}))
	_, err = v.Verify(context.Background(), before)
	requireKind(t, notify.ErrTokenInvalid, err, before)
	_, err = v.Verify(context.Background(), after)
	require.NoError(t, err)

	require.Error(t, v.SetSecrets(auth.Options{Secrets: [][]byte{secret()}, Algorithms: []string{"RS256"}}), "the secret fits no algorithm")
	_, err = v.Verify(context.Background(), after)
	require.NoError(t, err, "a mistake changes nothing")
}
