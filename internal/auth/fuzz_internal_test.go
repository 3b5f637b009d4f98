package auth

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/strict"
)

// FuzzKeySet reads an entry alone, between good keys, and as a whole set. No entry makes
// another key unusable, and no shared secret is used.
func FuzzKeySet(f *testing.F) {
	const good = `{"kty":"EC","crv":"P-256","kid":"good","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}`
	for _, entry := range []string{
		good, "null", `"x"`, `{"kty":"RSA","n":"AQAB==","e":"AQAB","alg":"RS256","use":"sig","key_ops":["verify"],"d":1}`,
		`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","x5c":[["a"]],"kid":7}`,
		`{"kty":"oct","k":"AA"}`, `{"keys":[` + good + `]}`, `{"jwks_uri":"a"}`, "\ufeff", "\xff\xfe", `{"kid":"\ud800"}`,
	} {
		f.Add([]byte(entry))
	}
	reader := func() *setReader {
		return &setReader{logger: slog.New(slog.DiscardHandler)}
	}
	f.Fuzz(func(t *testing.T, entry []byte) {
		keys, err := reader().read(entry)
		require.Equal(t, err == nil, len(keys) > 0)
		if _, err := strict.Lenient(entry); err != nil {
			return // not one JSON value: it may close the list
		}
		keys, err = reader().read(fmt.Appendf(nil, `{"keys":[%s,%s,%s]}`, good, entry, good))
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(keys), 2)
		require.Equal(t, "good", keys[0].kid)
		require.Equal(t, "good", keys[len(keys)-1].kid)
		for _, k := range keys {
			require.True(t, slices.Contains(algorithms[3:], k.method.Alg()), "no shared secret")
		}
	})
}
