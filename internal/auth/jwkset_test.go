package auth_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
)

// unusable returns entries of a key set that no token can be verified with, and
// a part of the reason that the log gives.
func unusable(t *testing.T) map[string]struct{ entry, reason string } {
	t.Helper()
	k := keys(t)
	with := func(private any, members map[string]any) string {
		m := jwk(t, private, "kid", "bad")
		maps.Copy(m, members)
		maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil })
		data, err := json.Marshal(m)
		require.NoError(t, err)
		return string(data)
	}
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	require.NoError(t, err)
	number := func(n int64) string { return base64.RawURLEncoding.EncodeToString(big.NewInt(n).Bytes()) }
	x, _ := jwk(t, k.ec384)["x"].(string)
	return map[string]struct{ entry, reason string }{
		"null":      {"null", "not a JSON object"},
		"a string":  {`"{}"`, "not a JSON object"},
		"a number":  {"7", "not a JSON object"},
		"a list":    {"[{}]", "not a JSON object"},
		"nothing":   {"{}", "no kty"},
		"huge":      {`{"kid":"bad","x5c":"` + strings.Repeat("A", 500_000) + `"}`, "no kty"},
		"very deep": {`{"kid":"bad","x":` + strings.Repeat(`[{"\\\"]":`, 30_000) + "7" + strings.Repeat("}]", 30_000) + "}", "x is not a string"},
		"very deep, in a member that decides nothing": {`{"kid":"bad","x5c":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "}", "no kty"},
		"kty of no such kind":                         {`{"kty":"LWE","kid":"bad"}`, "kty is not"},
		"kty a number":                                {`{"kty":7,"kid":"bad"}`, "kty is not a string"},
		"symmetric":                                   {`{"kty":"oct","kid":"bad","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T"}`, "symmetric"},
		"EC without y":                                {with(k.ec384, map[string]any{"y": nil}), "no y"},
		"EC, y not base64":                            {with(k.ec384, map[string]any{"y": "%%%"}), "y is not base64url"},
		"EC, y too long":                              {with(k.ec384, map[string]any{"y": strings.Repeat("Q", 60) + x}), "y has more than 48 bytes"},
		"EC off its curve":                            {with(k.ec384, map[string]any{"y": x}), "not those of a public key"},
		"EC of another curve":                         {with(k.ec384, map[string]any{"crv": "secp256k1", "alg": "ES256K"}), "crv is not"},
		"EC, alg of another curve":                    {with(k.ec384, map[string]any{"alg": "ES256"}), "alg does not fit"},
		"X25519":                                      {with(k.ed, map[string]any{"crv": "X25519", "alg": nil}), "crv is not Ed25519"},
		"Ed25519, x cut":                              {with(k.ed, map[string]any{"x": "AAAA"}), "not those of a public key"},
		"RSA of 1024 bits":                            {with(short, nil), "1024 bits"},
		"RSA without n":                               {with(k.rsa, map[string]any{"n": nil}), "no n"},
		"RSA, n of a million bits":                    {with(k.rsa, map[string]any{"n": strings.Repeat("Q", 170_000)}), "more than 8192 bits"},
		"RSA, e is 1":                                 {with(k.rsa, map[string]any{"e": number(1)}), "odd number"},
		"RSA, e is even":                              {with(k.rsa, map[string]any{"e": number(65536)}), "odd number"},
		"RSA, e is 2^64+1":                            {with(k.rsa, map[string]any{"e": "AQAAAAAAAAAB"}), "odd number"},
		"RSA, e a number":                             {with(k.rsa, map[string]any{"e": 65537}), "e is not a string"},
		"RSA for OAEP":                                {with(k.rsa, map[string]any{"alg": "RSA-OAEP"}), "alg does not fit"},
		"RSA, use enc":                                {with(k.rsa, map[string]any{"use": "enc"}), "use is not sig"},
		"key_ops has sign alone":                      {with(k.ec384, map[string]any{"key_ops": []string{"sign"}}), "key_ops do not have verify"},
		"key_ops is a string":                         {with(k.ec384, map[string]any{"key_ops": "verify"}), "not a list of strings"},
		"key_ops has a number":                        {with(k.ec384, map[string]any{"key_ops": []any{"verify", 7}}), "not a list of strings"},
		"kid is a number":                             {with(k.ec384, map[string]any{"kid": 7}), "kid is not a string"},
		"kid is an object":                            {with(k.ec384, map[string]any{"kid": map[string]any{}}), "kid is not a string"},
		"a member that counts twice":                  {strings.Replace(with(k.ec384, nil), "{", `{"x":"AA",`, 1), "it has x twice"},
	}
}

// TestOneEntryDecidesNothingOfAnother puts each unusable entry on both sides of
// good keys, one of which has its kid.
func TestOneEntryDecidesNothingOfAnother(t *testing.T) {
	k := keys(t)
	good, err := json.Marshal(jwk(t, k.ec256, "kid", "bad"))
	require.NoError(t, err)
	other, err := json.Marshal(jwk(t, k.ec521, "kid", "other"))
	require.NoError(t, err)
	for name, test := range unusable(t) {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			i := newIssuer(t, fmt.Appendf(nil, `{"keys":[%s,%s,%s]}`, test.entry, good, other))
			c := newClock()
			o := anyone()
			o.JWKS, o.Now, o.Logger = i.URL, c.now, slog.New(slog.NewTextHandler(&log, nil))
			v := start(t, o)
			verify := func() {
				t.Helper()
				for kid, private := range map[string]*ecdsa.PrivateKey{"bad": k.ec256, "other": k.ec521} {
					alg := map[elliptic.Curve]string{elliptic.P256(): "ES256", elliptic.P521(): "ES512"}[private.Curve]
					_, err := v.Verify(t.Context(), sign(t, alg, kid, private))
					require.NoError(t, err)
				}
			}
			verify()
			require.Equal(t, 1, strings.Count(log.String(), "is skipped"), "%s", &log)
			assert.Contains(t, log.String(), "index=0")
			assert.Contains(t, log.String(), test.reason)

			i.serve(fmt.Appendf(nil, `{"keys":[%s,%s,%s],"at":1}`, other, good, test.entry))
			require.NoError(t, v.Reload(t.Context()))
			verify()
			require.NotContains(t, log.String(), "index=2", "the same entry is not warned of again")

			i.serve(fmt.Appendf(nil, `{"keys":[%s]}`, test.entry))
			require.Error(t, v.Reload(t.Context()), "a set without a usable key is rejected")
			verify()
		})
	}
}

// TestKeysWithUnusualMembersAreUsed accepts members that are unusual but unambiguous, and
// members that verification does not need.
func TestKeysWithUnusualMembersAreUsed(t *testing.T) {
	k := keys(t)
	private := func(alg string) any {
		return map[string]any{"RS256": k.rsa, "ES512": k.ec521, "ES256": k.ec256, "EdDSA": k.ed}[alg]
	}
	recode := func(to *base64.Encoding, change func([]byte) []byte) func(any) any {
		return func(v any) any {
			text, _ := v.(string)
			decoded, err := base64.RawURLEncoding.DecodeString(text)
			require.NoError(t, err)
			return to.EncodeToString(change(decoded))
		}
	}
	same := func(b []byte) []byte { return b }
	zero := func(b []byte) []byte { return append([]byte{0}, b...) }
	bare := func(b []byte) []byte { return bytes.TrimLeft(b, "\x00") }
	to := func(v any) func(any) any { return func(any) any { return v } }
	tests := map[string]struct {
		alg, members string
		change       func(any) any
	}{
		"RSA with padding":                     {"RS256", "n e", recode(base64.URLEncoding, same)},
		"RSA in the other alphabet":            {"RS256", "n e", recode(base64.StdEncoding, same)},
		"RSA with a sign byte":                 {"RS256", "n e", recode(base64.RawURLEncoding, zero)},
		"EC with a sign byte":                  {"ES512", "x y", recode(base64.RawURLEncoding, zero)},
		"EC without zeros in front":            {"ES512", "x y", recode(base64.URLEncoding, bare)},
		"Ed25519 with padding":                 {"EdDSA", "x", recode(base64.StdEncoding, same)},
		"alg, use, kid and key_ops null":       {"ES256", "alg use kid key_ops", to(nil)},
		"alg, use and kid empty":               {"RS256", "alg use kid", to("")},
		"key_ops with verify and more":         {"RS256", "key_ops", to([]string{"verify", "encrypt", "stir"})},
		"key_ops empty":                        {"RS256", "key_ops", to([]string{})},
		"an x5t of hexadecimal digits":         {"RS256", "x5t", to("NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Qg")},
		"x5c, x5t#S256 and x5u that are wrong": {"RS256", "x5c x5t#S256 x5u", to(map[string]any{"x": []int{7}})},
		"an issuer, as Entra has":              {"RS256", "issuer cloud_instance_name", to("https://login.microsoftonline.com/{tenantid}/v2.0")},
		"exp, nbf, iat that are wrong":         {"RS256", "exp nbf iat revoked ext", to(map[string]any{})},
		"a private half that is wrong":         {"ES256", "d", to("%")},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			m := jwk(t, private(test.alg), "kid", "1")
			for member := range strings.FieldsSeq(test.members) {
				m[member] = test.change(m[member])
			}
			o := anyone()
			o.JWKS = write(t, "jwks.json", set(t, m))
			_, err := start(t, o).Verify(t.Context(), sign(t, test.alg, "1", private(test.alg)))
			require.NoError(t, err)
		})
	}
	t.Run("members twice that decide nothing, and invalid UTF-8", func(t *testing.T) {
		entry, err := json.Marshal(jwk(t, k.ec256, "kid", "1"))
		require.NoError(t, err)
		o := anyone()
		o.JWKS = write(t, "jwks.json", []byte("\ufeff{\"a\":1,\"a\":2,\"keys\":["+strings.Replace(string(entry), "{", "{\"z\":{\"b\":1,\"b\":2},\"z\":\"\xff\",", 1)+"]}\r\n"))
		_, err = start(t, o).Verify(t.Context(), sign(t, "ES256", "1", k.ec256))
		require.NoError(t, err)
	})
}

// TestAPublishedPrivateKeyIsReported publishes a private key. The public half is used, and
// the log warns without showing the key.
func TestAPublishedPrivateKeyIsReported(t *testing.T) {
	k := keys(t)
	var log bytes.Buffer
	o := anyone()
	o.JWKS = write(t, "jwks.json", set(t, jwk(t, k.ec256, "kid", "1", "d", "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ")))
	o.Logger = slog.New(slog.NewTextHandler(&log, nil))
	_, err := start(t, o).Verify(t.Context(), sign(t, "ES256", "1", k.ec256))
	require.NoError(t, err)
	require.Contains(t, log.String(), "holds a private key")
	require.NotContains(t, log.String(), "AyM1SysP")
}

// TestWarningsAboutASetAreLimited publishes a thousand unusable entries.
func TestWarningsAboutASetAreLimited(t *testing.T) {
	k := keys(t)
	var log bytes.Buffer
	entries := []map[string]any{jwk(t, k.ec256, "kid", "1")}
	for n := range 1_000 {
		entries = append(entries, map[string]any{"kid": strings.Repeat("k", 1_000) + fmt.Sprint(n)})
	}
	i := newIssuer(t, set(t, entries...)) // 1 MB
	o := anyone()
	o.JWKS, o.Logger = i.URL, slog.New(slog.NewTextHandler(&log, nil))
	v := start(t, o)
	_, err := v.Verify(t.Context(), sign(t, "ES256", "1", k.ec256))
	require.NoError(t, err)
	require.Equal(t, 21, strings.Count(log.String(), "skipped"))
	require.Less(t, log.Len(), 10_000)
	require.NoError(t, v.Reload(t.Context()))
	require.Equal(t, 21, strings.Count(log.String(), "skipped"))
}

// TestAnErrorNamesWhatWasFoundInsteadOfAKeySet loads documents that are not usable key
// sets.
func TestAnErrorNamesWhatWasFoundInsteadOfAKeySet(t *testing.T) {
	k := keys(t)
	single, err := json.Marshal(jwk(t, k.ec256))
	require.NoError(t, err)
	for content, want := range map[string]string{
		"":                                 "empty",
		"<!doctype html><title>Sign in":    "a page in HTML",
		string(pemOf(t, k.ec256)):          "public key file",
		`[{"kty":"EC"}]`:                   "must be a JSON object",
		"{}":                               `no member "keys"`,
		`{"Keys":[]}`:                      `no member "keys"`,
		`{"keys":{}}`:                      "is not a list",
		`{"keys":[]}`:                      "the key set is empty",
		`{"keys":[],"keys":[]}`:            "twice",
		`{"keys":[{"kty":`:                 "cut off",
		`{"keys":[]} {}`:                   "not valid JSON",
		string(single):                     "a single key",
		`{"jwks_uri":"https://a.example"}`: "jwks_uri",
		`{"b8cd2f":"-----BEGIN CERTIFICATE-----\nMII"}`: "securetoken@system.gserviceaccount.com",
		"\xff\xfe{\x00}\x00":                            "UTF-16",
	} {
		o := anyone()
		o.JWKS = write(t, "jwks.json", []byte(content))
		_, err := auth.New(t.Context(), o)
		require.ErrorContains(t, err, want)
	}
}

// TestTheSameKIDWithANewKey replaces a key under its kid. Tokens of the new key are accepted
// immediately, and signatures of an unknown key cause one fetch per window.
func TestTheSameKIDWithANewKey(t *testing.T) {
	k := keys(t)
	i := newIssuer(t, set(t, jwk(t, k.ec256, "kid", "1")))
	next, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	c := newClock()
	o := anyone()
	o.JWKS, o.Now = i.URL, c.now
	v := start(t, o)
	before, after := sign(t, "ES256", "1", k.ec256), sign(t, "ES256", "1", next)
	_, err = v.Verify(t.Context(), before)
	require.NoError(t, err)

	for range 10 {
		_, err = v.Verify(t.Context(), after)
		requireKind(t, notify.ErrTokenInvalid, err, after)
	}
	require.EqualValues(t, 2, i.fetches.Load())

	i.serve(set(t, jwk(t, next, "kid", "1")))
	c.pass(notify.Leeway)
	_, err = v.Verify(t.Context(), after)
	require.NoError(t, err)
	require.EqualValues(t, 3, i.fetches.Load())
	_, err = v.Verify(t.Context(), before)
	requireKind(t, notify.ErrTokenInvalid, err, before)
}
