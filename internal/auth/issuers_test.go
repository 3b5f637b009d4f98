package auth_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
)

// entryOf returns an item of an issuers file. Its user prefix is its name.
func entryOf(issuer, jwks, more string) string {
	return fmt.Sprintf("- issuer: %s\n  audiences: [bellhop]\n  jwks: %s\n%s  user_prefix: '%s:'\n", issuer, jwks, more, strings.Trim(issuer, `"`))
}

// signOf returns a token with these claims and an exp in one hour.
func signOf(t testing.TB, alg, kid string, key any, claims jwt.MapClaims) string {
	t.Helper()
	claims["exp"] = at(time.Hour)
	token := jwt.NewWithClaims(jwt.GetSigningMethod(alg), claims)
	token.Header["kid"] = kid
	s, err := token.SignedString(key)
	require.NoError(t, err)
	return s
}

// TestIssuersKeepApart configures two issuers whose keys have the same kid, and shared
// secrets.
func TestIssuersKeepApart(t *testing.T) {
	k := keys(t)
	one, two := newIssuer(t, set(t, jwk(t, k.ec256, "kid", "1"))), newIssuer(t, set(t, jwk(t, k.ec384, "kid", "1")))
	v := start(t, auth.Options{
		Secrets:    [][]byte{secret()},
		UserPrefix: "me:",
		IssuersFile: write(t, "issuers.yaml", []byte(
			entryOf("one", one.URL, "")+entryOf("two", two.URL, "  algorithms: [ES384]\n  user_claim: email\n"))),
	})
	tests := map[string]struct {
		alg    string
		key    any
		claims jwt.MapClaims
		user   notify.UserID // empty: refused
	}{
		"one":                            {"ES256", k.ec256, jwt.MapClaims{"iss": "one", "aud": "bellhop", "sub": "ada"}, "one:ada"},
		"one of its audiences":           {"ES256", k.ec256, jwt.MapClaims{"iss": "one", "aud": []string{"x", "bellhop"}, "sub": "ada"}, "one:ada"},
		"two, with a claim of its own":   {"ES384", k.ec384, jwt.MapClaims{"iss": "two", "aud": "bellhop", "sub": "7 7", "email": "ada@x"}, "two:ada@x"},
		"two, without it":                {"ES384", k.ec384, jwt.MapClaims{"iss": "two", "aud": "bellhop", "sub": "ada"}, ""},
		"one, the other's claim":         {"ES256", k.ec256, jwt.MapClaims{"iss": "one", "aud": "bellhop", "email": "ada@x"}, ""},
		"one with the key of two":        {"ES384", k.ec384, jwt.MapClaims{"iss": "one", "aud": "bellhop", "sub": "ada"}, ""},
		"two with the key of one":        {"ES256", k.ec256, jwt.MapClaims{"iss": "two", "aud": "bellhop", "email": "ada"}, ""},
		"one with the secret":            {"HS256", secret(), jwt.MapClaims{"iss": "one", "aud": "bellhop", "sub": "ada"}, ""},
		"one for another audience":       {"ES256", k.ec256, jwt.MapClaims{"iss": "one", "aud": "x", "sub": "ada"}, ""},
		"one for no audience":            {"ES256", k.ec256, jwt.MapClaims{"iss": "one", "sub": "ada"}, ""},
		"an unknown issuer, a known key": {"ES256", k.ec256, jwt.MapClaims{"iss": "three", "aud": "bellhop", "sub": "ada"}, ""},
		"no issuer, a known key":         {"ES256", k.ec256, jwt.MapClaims{"aud": "bellhop", "sub": "ada"}, ""},
		"an issuer that is no string":    {"ES256", k.ec256, jwt.MapClaims{"iss": []string{"one"}, "aud": "bellhop", "sub": "ada"}, ""},
		"the settings' secret":           {"HS256", secret(), jwt.MapClaims{"iss": "three", "sub": "ada"}, "me:ada"},
		"the settings' secret, no iss":   {"HS256", secret(), jwt.MapClaims{"sub": "ada"}, "me:ada"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			token := signOf(t, test.alg, "1", test.key, test.claims)
			p, err := v.Verify(t.Context(), token)
			if test.user == "" {
				requireKind(t, notify.ErrTokenInvalid, err, token)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.user, p.User)
		})
	}
	t.Run("claims that are none", func(t *testing.T) {
		token := seal(header, `{"iss":"one","iss":"two"}`)
		_, err := v.Verify(t.Context(), token)
		requireKind(t, notify.ErrTokenInvalid, err, token)
	})
}

// TestUnknownKeysAskTheirOwnIssuer counts the fetches of each issuer.
func TestUnknownKeysAskTheirOwnIssuer(t *testing.T) {
	k := keys(t)
	one, two := newIssuer(t, set(t, jwk(t, k.ec256, "kid", "1"))), newIssuer(t, set(t, jwk(t, k.ec384, "kid", "1")))
	c := newClock()
	v := start(t, auth.Options{
		IssuersFile: write(t, "issuers.yaml", []byte(entryOf("one", one.URL, "")+entryOf("two", two.URL, ""))),
		Now:         c.now,
	})
	ask := func(issuer string) {
		for n := range 10 {
			token := signOf(t, "ES256", fmt.Sprint("unknown-", n), k.ec256, jwt.MapClaims{"iss": issuer, "aud": "bellhop", "sub": "ada"})
			_, err := v.Verify(t.Context(), token)
			requireKind(t, notify.ErrTokenInvalid, err, token)
		}
	}
	for range 2 {
		ask("one")
		ask("three")
	}
	require.EqualValues(t, 2, one.fetches.Load(), "the first fetch, and one for the unknown")
	require.EqualValues(t, 1, two.fetches.Load())
	ask("two")
	require.EqualValues(t, 2, two.fetches.Load(), "the window of one is not that of two")
	c.pass(30 * time.Second)
	ask("one")
	require.EqualValues(t, 3, one.fetches.Load())
}

func TestIssuersFileReportsMistakes(t *testing.T) {
	k := keys(t)
	good := write(t, "jwks.json", set(t, jwk(t, k.ec256)))
	tests := map[string]struct {
		file string
		want []string
	}{
		"empty":                {"", []string{"empty"}},
		"a comment":            {"# none\n", []string{"empty"}},
		"nothing":              {"---\n", []string{"must be a list"}},
		"null":                 {"~\n", []string{"must be a list"}},
		"no list":              {"issuer: one\n", []string{"must be a list"}},
		"no mapping":           {"- one\n", []string{"line 1", "mapping"}},
		"no YAML":              {"- issuer: [\n", []string{"line 1"}},
		"two documents":        {"[]\n---\n[]\n", []string{"one YAML document"}},
		"an alias":             {"- issuer: *whsec_secret\n", []string{"alias"}},
		"nothing in it":        {"- {}\n", []string{"no issuer", "no audiences", "no key"}},
		"an unknown member":    {entryOf("one", good, "  secret: x\n"), []string{"line 4", `"secret"`, "user_claim"}},
		"a long unknown one":   {entryOf("one", good, "  whsec_secretwhsec_secretwhsec_secret: x\n"), []string{"line 4", "a name that is not shown"}},
		"a member twice":       {entryOf("one", good, "  jwks: x\n"), []string{"line 4", "twice"}},
		"a merge":              {entryOf("one", good, "  <<: {issuer: x}\n"), []string{"line 4", `"<<"`}},
		"an issuer twice":      {entryOf("one", good, "") + entryOf("one", good, ""), []string{"line 5", "twice"}},
		"any issuer":           {entryOf(`"*"`, good, ""), []string{"issuer must be the name of one issuer"}},
		"the settings' issuer": {entryOf("me", good, ""), []string{"also the issuer of the settings"}},
		"no audience":          {strings.Replace(entryOf("one", good, ""), "[bellhop]", "[]", 1), []string{"audiences must be a list"}},
		"an audience of null":  {strings.Replace(entryOf("one", good, ""), "[bellhop]", "[~]", 1), []string{"audiences must be a list"}},
		"any and others":       {strings.Replace(entryOf("one", good, ""), "bellhop", `bellhop, "*"`, 1), []string{"audiences has *"}},
		"audiences as text":    {strings.Replace(entryOf("one", good, ""), "[bellhop]", "bellhop", 1), []string{"audiences must be a list"}},
		"an unknown algorithm": {entryOf("one", good, "  algorithms: [none]\n"), []string{`"none"`}},
		"one for secrets":      {entryOf("one", good, "  algorithms: [ES256, HS256]\n"), []string{"requires a secret_file"}},
		"no client":            {strings.Replace(entryOf("one", good, ""), "bellhop", `"*"`, 1), []string{"clients is required"}},
		"any as text":          {strings.Replace(entryOf("one", good, ""), "[bellhop]", `"*"`, 1), []string{"clients is required"}},
		"any client":           {entryOf("one", good, "  clients: ['*']\n"), []string{"clients has *"}},
		"a pointer to our own": {entryOf("one", good, "  user_claim: /exp/x\n"), []string{"a fixed meaning"}},
		"no pointer":           {entryOf("one", good, "  user_claim: /a~2b\n"), []string{"~0"}},
		"a claim for two":      {entryOf("one", good, "  user_claim: scp\n"), []string{"user_claim names a claim that is read for scopes"}},
		"a pointer for two":    {entryOf("one", good, "  topics_claim: /scp\n"), []string{"topics_claim names a claim that is read for scopes"}},
		"a prefix of spaces":   {strings.Replace(entryOf("one", good, ""), "one:", "one ", 1), []string{"user_prefix must have"}},
		"a long prefix":        {strings.Replace(entryOf("one", good, ""), "one:", strings.Repeat("x", 129), 1), []string{"user_prefix must have"}},
		"no prefix":            {strings.Replace(entryOf("one", good, ""), "  user_prefix: 'one:'\n", "", 1), []string{"line 1", "each needs a user prefix"}},
		"a prefix twice":       {entryOf("one", good, "") + strings.Replace(entryOf("two", good, ""), "two:", "one:", 1), []string{"line 5", "prefix is that of line 1"}},
		"the settings' prefix": {strings.Replace(entryOf("one", good, ""), "one:", "me:", 1), []string{"that of the issuer of the settings"}},
		"a prefix of a prefix": {entryOf("one", good, "") + strings.Replace(entryOf("two", good, ""), "two:", "one:two:", 1), []string{"line 5", "begins with that of line 1"}},
		"and the other way":    {strings.Replace(entryOf("one", good, ""), "one:", "me:one:", 1), []string{"line 1", "begins with that of the issuer"}},
		"none and others":      {strings.Replace(entryOf("one", good, ""), "one:", "none", 1), []string{"line 1", "begins that of the issuer"}},
		"a scope of others":    {entryOf("one", good, "  scopes: [email]\n"), []string{"line 4", "scope 1"}},
		"an invalid topic":     {entryOf("one", good, "  topics: ['*', news]\n"), []string{"line 4", "topics must be"}},
		"one that fits none":   {entryOf("one", good, "  algorithms: [RS256]\n"), []string{"keys can verify tokens"}},
		"a claim of our own":   {entryOf("one", good, "  user_claim: exp\n"), []string{"a fixed meaning"}},
		"an empty claim":       {entryOf("one", good, "  user_claim: ''\n"), []string{"user_claim must be plain text"}},
		"no such file":         {entryOf("one", good+"x", ""), []string{"line 1", good + "x"}},
		"no host":              {entryOf("one", "https://", ""), []string{"line 1", "host"}},
		"several mistakes":     {entryOf("one", good+"x", "") + entryOf("two", good, "  x: y\n") + "- 7\n", []string{good + "x", "line 8", "line 10"}},
		"too many":             {strings.Repeat("- {}\n", 101), []string{"101 items"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := write(t, "issuers.yaml", []byte(test.file))
			_, err := auth.New(t.Context(), auth.Options{Secrets: [][]byte{secret()}, Issuer: "me", UserPrefix: "me:", IssuersFile: path})
			require.ErrorContains(t, err, path)
			for _, want := range test.want {
				assert.ErrorContains(t, err, want)
			}
			assert.NotContains(t, err.Error(), "whsec_secret")
		})
	}
	_, err := auth.New(t.Context(), auth.Options{IssuersFile: write(t, "no.yaml", nil), APIKeysFile: "no-keys", WebhooksFile: "no-hooks"})
	for _, want := range []string{"no.yaml", "no-keys", "no-hooks"} {
		require.ErrorContains(t, err, want)
	}
}

func TestIssuersFileIsReadAgain(t *testing.T) {
	k := keys(t)
	sets := map[string][]byte{
		"one.example": set(t, jwk(t, k.ec256)), "two.example": set(t, jwk(t, k.ec384)), "other.example": set(t, jwk(t, k.ec521)),
	}
	one, two := entryOf("one", "https://one.example/", ""), entryOf("two", "https://two.example/", "")
	path := write(t, "issuers.yaml", []byte(one))
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var mu sync.Mutex
		fetches := map[string]int{}
		v := start(t, auth.Options{
			IssuersFile: path,
			Logger:      slog.New(slog.NewTextHandler(&log, nil)),
			Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				mu.Lock()
				defer mu.Unlock()
				fetches[r.URL.Host]++
				return answer(sets[r.URL.Host])
			}),
		})
		verify := func(issuer, alg string, key any) error {
			t.Helper()
			time.Sleep(3 * time.Second)
			synctest.Wait()
			token := signOf(t, alg, "", key, jwt.MapClaims{"iss": issuer, "aud": "bellhop", "sub": "ada"})
			_, err := v.Verify(t.Context(), token)
			return err
		}
		change := func(text string) { require.NoError(t, os.WriteFile(path, []byte(text), 0o600)) }

		require.NoError(t, verify("one", "ES256", k.ec256))
		require.ErrorIs(t, verify("two", "ES384", k.ec384), notify.ErrTokenInvalid)

		change(two + one)
		require.NoError(t, verify("two", "ES384", k.ec384))
		require.NoError(t, verify("one", "ES256", k.ec256))
		require.Equal(t, map[string]int{"one.example": 1, "two.example": 1}, fetches, "who stays is not asked again")

		change(two + one + "  typo: x\n")
		require.NoError(t, verify("one", "ES256", k.ec256), "a mistake changes nothing")
		require.Contains(t, log.String(), "typo")

		change(two)
		require.ErrorIs(t, verify("one", "ES256", k.ec256), notify.ErrTokenInvalid, "though it was verified before")
		require.NoError(t, verify("two", "ES384", k.ec384))

		asked := maps.Clone(fetches)
		change(entryOf("two", "https://two.example/", "  scopes: [notify:publish]\n"))
		require.NoError(t, verify("two", "ES384", k.ec384))
		require.Equal(t, asked, fetches, "an entry that says the same of its keys keeps them")

		change(entryOf("two", "https://other.example/", ""))
		require.ErrorIs(t, verify("two", "ES384", k.ec384), notify.ErrTokenInvalid)
		require.NoError(t, verify("two", "ES512", k.ec521))

		change("[]\n")
		require.ErrorIs(t, verify("two", "ES512", k.ec521), notify.ErrTokenInvalid)
		require.NoError(t, os.Remove(path))
		asked = maps.Clone(fetches)
		time.Sleep(6 * time.Minute)
		require.Equal(t, asked, fetches, "who is gone is left alone")

		change(one)
		require.NoError(t, verify("one", "ES256", k.ec256))
	})
}

// TestIssuersOutOfReach configures an issuer that does not answer. The service starts, and
// tokens of the other issuer are accepted.
func TestIssuersOutOfReach(t *testing.T) {
	k := keys(t)
	path := write(t, "issuers.yaml", []byte(entryOf("one", "https://one.example/", "")+entryOf("two", "https://two.example/", "")+entryOf("three", "https://three.example/", "")))
	good := set(t, jwk(t, k.ec256, "kid", "1"))
	synctest.Test(t, func(t *testing.T) {
		before := time.Now()
		v := start(t, auth.Options{
			IssuersFile: path,
			Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				if r.URL.Host == "two.example" {
					return answer(good)
				}
				<-r.Context().Done()
				return nil, r.Context().Err()
			}),
		})
		require.Equal(t, 5*time.Second, time.Since(before), "the key sets are fetched concurrently, so all fetches time out together")
		of := func(issuer string) string {
			return signOf(t, "ES256", "1", k.ec256, jwt.MapClaims{"iss": issuer, "aud": "bellhop", "sub": "ada"})
		}
		_, err := v.Verify(t.Context(), of("two"))
		require.NoError(t, err)
		_, err = v.Verify(t.Context(), of("one"))
		require.ErrorIs(t, err, notify.ErrUnavailable)
	})
}
