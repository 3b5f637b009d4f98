package hostile

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/test/idp"
)

// hostileEntries returns entries of a key set as an attacker could register them with an
// issuer.
func hostileEntries() []string {
	return []string{
		"null", `"x"`, "7", "[]", "{}", `{"kty":"oct","kid":"good","k":"AAAA"}`,
		`{"kty":"RSA","kid":"good","n":"` + strings.Repeat("A", 100_000) + `B","e":"AQAB"}`,
		`{"kty":"RSA","kid":"good","n":"` + strings.Repeat("_", 100_000) + `","e":"AQAB"}`,
		`{"kty":"RSA","kid":"good","n":"` + strings.Repeat("_", 342) + `","e":"AQ"}`,
		`{"kty":"EC","crv":"P-256","kid":"good","x":"AA","y":"AA"}`,
		`{"kty":"EC","crv":"P-256","kid":["good"],"x":1,"y":{}}`,
		`{"kty":"OKP","crv":"Ed25519","kid":"good","x":"AA=="}`,
		`{"kid":"` + strings.Repeat("good", 10_000) + `","x5u":"http://127.0.0.1:1/","x5c":["AA"],"jku":"http://127.0.0.1:1/"}`,
		`{"kid":"\ud800\u0000\u001b[2J","kty":"\u0000"}`,
		strings.Repeat("[", 50_000) + strings.Repeat("]", 50_000),
		`{"a":` + strings.Repeat(`{"a":`, 30_000) + "1" + strings.Repeat("}", 30_000) + "}",
	}
}

// TestHostileKeySet publishes all hostile entries before and after a valid key, at the
// start and again when that key is replaced by another with the same kid.
func TestHostileKeySet(t *testing.T) {
	ring := idp.NewRing(t)
	setWith := func(k idp.Key) []byte {
		good, err := json.Marshal(k.JWK(nil))
		require.NoError(t, err)
		entries := strings.Join(hostileEntries(), ",")
		return fmt.Appendf(nil, `{"keys":[%s,%s,%s]}`, entries, good, entries)
	}
	before, after := ring.RSA(0, "good"), ring.RSA(1, "good")
	i := idp.New(t, setWith(before))
	s := start(t, func(c *config.Config) { c.JWKS, c.JWTIssuer, c.JWTAudience = i.JWKS(), issuer, audience })
	status := func(k idp.Key) int {
		t.Helper()
		token := k.Token(t, map[string]any{"iss": issuer, "aud": audience, "sub": "ada", "exp": time.Now().Add(time.Hour).Unix()})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.public+"/inbox", http.NoBody)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := s.client.Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	require.Equal(t, http.StatusOK, status(before))
	i.Publish(setWith(after))
	require.Equal(t, http.StatusOK, status(after))
	require.Equal(t, http.StatusUnauthorized, status(before))
	require.Equal(t, 2, i.Fetches())
	require.Equal(t, len(hostileEntries()), strings.Count(s.log.String(), "cannot be used and is skipped"), "one warning for each entry")
	require.NotContains(t, s.log.String(), strings.Repeat("good", 20), "long names are shortened in the log")
	s.undisturbed(t)
}
