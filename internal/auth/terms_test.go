package auth_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
)

// secretEntry returns an item of an issuers file whose tokens are signed with the
// secret of these tests.
func secretEntry(t testing.TB, issuer, more string) string {
	t.Helper()
	return fmt.Sprintf("- issuer: %s\n  secret_file: %s\n%s", issuer, write(t, "secret", append(secret(), '\n')), more)
}

// startFile returns a Verifier that is configured only by an issuers file.
func startFile(t testing.TB, file string) *auth.Verifier {
	t.Helper()
	return start(t, auth.Options{IssuersFile: write(t, "issuers.yaml", []byte(file))})
}

// TestClaimsAreReadAsConfigured shows the effect of each member of an entry on the principal of
// a token.
func TestClaimsAreReadAsConfigured(t *testing.T) {
	const entry = "  audiences: [bellhop]\n"
	type claims = jwt.MapClaims
	tests := map[string]struct {
		entry  string
		claims claims
		user   notify.UserID // empty: refused
		scopes []notify.Scope
		topics []notify.TopicPattern
	}{
		"nothing said": {
			entry,
			claims{"sub": "ada", "scope": "notify:publish", "topics": []string{"news"}},
			"ada", nil,
			[]notify.TopicPattern{"news"},
		},
		"scopes within the bound": {
			entry + "  scopes: [notify:publish]\n",
			claims{"sub": "ada", "scope": "notify:publish notify:admin"},
			"ada",
			[]notify.Scope{notify.ScopePublish},
			nil,
		},
		"no scopes": {
			entry + "  scopes: []\n",
			claims{"sub": "ada", "scope": "notify:publish"},
			"ada", nil, nil,
		},
		"several scope claims": {
			entry + "  scope_claims: [scp, roles, /realm_access/roles]\n  scopes: [notify:publish, notify:admin]\n",
			claims{
				"sub": "ada", "scope": "notify:admin", "roles": []string{"x", "notify:publish"},
				"realm_access": claims{"roles": []string{"notify:admin"}},
			},
			"ada",
			[]notify.Scope{notify.ScopeAdmin, notify.ScopePublish},
			nil,
		},
		"a scope prefix": {
			entry + "  scope_prefix: bell/\n  scopes: [notify:publish, notify:admin]\n",
			claims{"sub": "ada", "scope": "bell/notify:publish notify:admin bell/bell/notify:admin"},
			"ada",
			[]notify.Scope{notify.ScopePublish},
			nil,
		},
		"a user prefix": {
			entry + "  user_prefix: 'acme:'\n",
			claims{"sub": "ada"},
			"acme:ada", nil, nil,
		},
		"a dot behind a prefix":   {entry + "  user_prefix: 'acme:'\n", claims{"sub": ".."}, "acme:..", nil, nil},
		"two dots with a prefix":  {entry + "  user_prefix: .\n", claims{"sub": "."}, "", nil, nil},
		"no user after a prefix":  {entry + "  user_prefix: 'acme:'\n", claims{"sub": ""}, "", nil, nil},
		"too long with a prefix":  {entry + "  user_prefix: 'acme:'\n", claims{"sub": strings.Repeat("a", 252)}, "", nil, nil},
		"none as a prefix":        {entry + "  user_prefix: none\n", claims{"sub": "ada"}, "ada", nil, nil},
		"another user claim":      {entry + "  user_claim: email\n", claims{"sub": "ada", "email": "ada@x"}, "ada@x", nil, nil},
		"a user inside":           {entry + "  user_claim: /a~1b/0/id~0\n", claims{"a/b": []any{claims{"id~": "ada"}}}, "ada", nil, nil},
		"no user inside":          {entry + "  user_claim: /a/b\n", claims{"sub": "eve", "a": claims{"c": "ada"}}, "", nil, nil},
		"a user inside of a text": {entry + "  user_claim: /a/b\n", claims{"a": "b"}, "", nil, nil},
		"a user of null":          {entry + "  user_claim: /a/b\n", claims{"a": claims{"b": nil}}, "", nil, nil},
		"a user that is a number": {entry + "  user_claim: /a/b\n", claims{"a": claims{"b": 7}}, "", nil, nil},
		"another topics claim": {
			entry + "  topics_claim: https://bell.example.com/topics\n",
			claims{"sub": "ada", "topics": []string{"x"}, "https://bell.example.com/topics": []string{"news"}},
			"ada", nil,
			[]notify.TopicPattern{"news"},
		},
		"topics within the bound": {
			entry + "  user_prefix: 'acme:'\n  topics: [acme.*, news]\n",
			claims{"sub": "ada", "topics": []string{"acme.7", "acme.*", "acme.7.*", "news", "acme", "news.*", "bank.*"}},
			"acme:ada", nil,
			[]notify.TopicPattern{"acme.7", "acme.*", "acme.7.*", "news"},
		},
		"topics without a prefix":   {entry + "  topics: [news]\n", claims{"sub": "ada", "topics": []string{"acme.7", "news"}}, "ada", nil, []notify.TopicPattern{"news"}},
		"topics behind a prefix":    {entry + "  user_prefix: 'acme:'\n", claims{"sub": "ada", "topics": []string{"news"}}, "acme:ada", nil, nil},
		"any topic":                 {entry + "  user_prefix: 'acme:'\n  topics: ['*']\n", claims{"sub": "ada", "topics": []string{"acme.7", "news"}}, "acme:ada", nil, []notify.TopicPattern{"acme.7", "news"}},
		"no topics":                 {entry + "  topics: []\n", claims{"sub": "ada", "topics": []string{"news"}}, "ada", nil, nil},
		"a client":                  {"  audiences: '*'\n  clients: [spa, ios]\n", claims{"sub": "ada", "azp": "ios", "aud": nil}, "ada", nil, nil},
		"a client by client_id":     {"  audiences: ['*']\n  clients: [spa]\n", claims{"sub": "ada", "client_id": "spa"}, "ada", nil, nil},
		"a client by appid":         {"  audiences: ['*']\n  clients: [spa]\n", claims{"sub": "ada", "appid": "spa", "azp": nil}, "ada", nil, nil},
		"another client":            {"  audiences: ['*']\n  clients: [spa]\n", claims{"sub": "ada", "azp": "ios"}, "", nil, nil},
		"a client and another":      {"  audiences: ['*']\n  clients: [spa]\n", claims{"sub": "ada", "azp": "spa", "client_id": "ios"}, "", nil, nil},
		"no client":                 {"  audiences: ['*']\n  clients: [spa]\n", claims{"sub": "ada"}, "", nil, nil},
		"a client that is a list":   {"  audiences: ['*']\n  clients: [spa]\n", claims{"sub": "ada", "azp": []string{"spa"}}, "", nil, nil},
		"audience and client":       {entry + "  clients: [spa]\n", claims{"sub": "ada", "azp": "ios"}, "", nil, nil},
		"clients that do not count": {entry, claims{"sub": "ada", "azp": 7}, "ada", nil, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			v := startFile(t, secretEntry(t, "one", test.entry))
			test.claims["iss"] = "one"
			if _, said := test.claims["aud"]; !said {
				test.claims["aud"] = "bellhop"
			}
			token := signOf(t, "HS256", "", secret(), test.claims)
			p, err := v.Verify(t.Context(), token)
			if test.user == "" {
				requireKind(t, notify.ErrTokenInvalid, err, token)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.user, p.User)
			require.Equal(t, "user:"+string(test.user), p.Name)
			require.Equal(t, test.scopes, p.Scopes)
			require.Equal(t, test.topics, p.Topics)
		})
	}
}

// TestTheSettingsMapClaimsToo maps the claims of the settings' issuer as those of an issuer in
// the file. The settings have no bounds.
func TestTheSettingsMapClaimsToo(t *testing.T) {
	v := start(t, auth.Options{
		Secrets: [][]byte{secret()}, Audience: auth.Any, Clients: []string{"spa"},
		UserClaim: "/act/sub", UserPrefix: "me:", ScopeClaims: []string{"permissions"}, ScopePrefix: "bell/", TopicsClaim: "hears",
	})
	p, err := v.Verify(t.Context(), seal(header, claimsWith(
		`"azp":"spa","act":{"sub":"grace"},"scope":"bell/notify:admin","permissions":["bell/notify:publish"],"hears":"news"`)))
	require.NoError(t, err)
	require.Equal(t, notify.UserID("me:grace"), p.User)
	require.Equal(t, []notify.Scope{notify.ScopePublish}, p.Scopes)
	require.Equal(t, []notify.TopicPattern{"news"}, p.Topics)
	require.Equal(t, notify.AnyIssuer, p.Issuer.Name)

	other := seal(header, claimsWith(`"azp":"ios","act":{"sub":"grace"}`))
	_, err = v.Verify(t.Context(), other)
	requireKind(t, notify.ErrTokenInvalid, err, other)

	for name, o := range map[string]auth.Options{
		"a claim with a fixed meaning":  {UserClaim: "exp"},
		"user_claim names a claim that": {UserClaim: "scp"},
		"topics_claim names a claim":    {TopicsClaim: "scope"},
		"user_prefix must have":         {UserPrefix: "a b"},
	} {
		o.Secrets = [][]byte{secret()}
		_, err := auth.New(t.Context(), o)
		require.ErrorContains(t, err, name)
	}
}

// TestEachClaimSettingHasItsOwnMistake makes each option invalid: each has an error of its own.
func TestEachClaimSettingHasItsOwnMistake(t *testing.T) {
	wrong := auth.CheckClaims(auth.Options{UserClaim: "exp", UserPrefix: "a b", ScopeClaims: []string{"ok", "/~"}, TopicsClaim: "/"})
	require.ErrorContains(t, wrong.UserClaim, "a fixed meaning")
	require.ErrorContains(t, wrong.UserPrefix, "white space")
	require.ErrorContains(t, wrong.ScopeClaims, "JSON pointer")
	require.ErrorContains(t, wrong.TopicsClaim, "names no claim")
	require.Equal(t, auth.ClaimMistakes{}, auth.CheckClaims(auth.Options{}))
}

// TestKeysOfAnEntryInFiles has an entry with public keys in a PEM file and with a secret.
func TestKeysOfAnEntryInFiles(t *testing.T) {
	k := keys(t)
	entry := "- issuer: one\n  audiences: [bellhop]\n  public_key_file: " + write(t, "key.pem", pemOf(t, k.ec256)) + "\n"
	both := startFile(t, entry+"  secret_file: "+write(t, "secret", secret())+"\n  algorithms: [ES256, HS256]\n")
	public := startFile(t, entry)
	claims := jwt.MapClaims{"iss": "one", "aud": "bellhop", "sub": "ada"}
	for _, v := range []*auth.Verifier{both, public} {
		_, err := v.Verify(t.Context(), signOf(t, "ES256", "", k.ec256, claims))
		require.NoError(t, err)
	}
	shared := signOf(t, "HS256", "", secret(), claims)
	_, err := both.Verify(t.Context(), shared)
	require.NoError(t, err)
	_, err = public.Verify(t.Context(), shared)
	requireKind(t, notify.ErrTokenInvalid, err, shared)
}

// TestIssuersShareUsersOnlyIfAllHaveNoPrefixExplicitly configures two issuers
// explicitly without a prefix, so that they share users.
func TestIssuersShareUsersOnlyIfAllHaveNoPrefixExplicitly(t *testing.T) {
	const audiences = "  audiences: [bellhop]\n"
	sharing := secretEntry(t, "one", audiences+"  user_prefix: ''\n") + secretEntry(t, "two", audiences+"  user_prefix: none\n")
	v := startFile(t, sharing)
	for _, issuer := range []string{"one", "two"} {
		p, err := v.Verify(t.Context(), signOf(t, "HS256", "", secret(), jwt.MapClaims{"iss": issuer, "aud": "bellhop", "sub": "ada"}))
		require.NoError(t, err)
		require.Equal(t, notify.UserID("ada"), p.User)
		require.Equal(t, issuer, p.Issuer.Name)
		require.Nil(t, p.Bound())
	}
}

// TestUnusableTopicsAreIgnored counts the unusable topics of a token and grants the others.
func TestUnusableTopicsAreIgnored(t *testing.T) {
	v := start(t, auth.Options{Secrets: [][]byte{secret()}})
	tests := map[string]struct {
		claims  string
		topics  []notify.TopicPattern
		ignored int
	}{
		"none":          {``, nil, 0},
		"all good":      {`"topics":["news","a.*","news"]`, []notify.TopicPattern{"news", "a.*"}, 0},
		"a number":      {`"topics":7`, nil, 1},
		"an object":     {`"topics":{"news":true}`, nil, 1},
		"others inside": {`"topics":["news",7,null,["a"],{}]`, []notify.TopicPattern{"news"}, 4},
		"no topics":     {`"topics":["","*",".*","a*","*.a","a.*.*","a b",".","` + strings.Repeat("a", 256) + `.*","news"]`, []notify.TopicPattern{"news"}, 9},
		"too many":      {topicsClaim(auth.MaxTopics + 3), numbered(auth.MaxTopics), 3},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for range 2 { // the second from the cache
				p, err := v.Verify(t.Context(), seal(header, claimsWith(test.claims)))
				require.NoError(t, err)
				require.Equal(t, test.topics, p.Topics)
				require.Equal(t, test.ignored, p.TopicsIgnored)
			}
		})
	}
}

// TestSignFollowsTheMapping signs tokens that a Verifier with the same settings accepts.
func TestSignFollowsTheMapping(t *testing.T) {
	v := start(t, auth.Options{
		Secrets: [][]byte{secret()}, Clients: []string{"spa"}, UserClaim: "/a/b~1c", UserPrefix: "me:",
		ScopeClaims: []string{"/a/roles"}, ScopePrefix: "bell/", TopicsClaim: "hears", Now: time.Now,
	})
	c := auth.Claims{
		User: "me:ada", TTL: time.Minute, Client: "spa", UserClaim: "/a/b~1c", UserPrefix: "me:", ScopeClaim: "/a/roles",
		ScopePrefix: "bell/", TopicsClaim: "hears", Topics: numbered(2), Scopes: []notify.Scope{notify.ScopeAdmin, notify.ScopePublish},
	}
	token, err := auth.Sign(secret(), c)
	require.NoError(t, err)
	p, err := v.Verify(t.Context(), token)
	require.NoError(t, err)
	require.Equal(t, c.User, p.User)
	require.Equal(t, c.Scopes, p.Scopes)
	require.Equal(t, c.Topics, p.Topics)

	for _, user := range []notify.UserID{"ada", "me:"} {
		c.User = user
		_, err = auth.Sign(secret(), c)
		require.ErrorContains(t, err, "prefix me:")
	}
}

// TestAWarningForAnyAudience accepts every audience by the settings. That is allowed, and the
// log warns of it unless the clients are named.
func TestAWarningForAnyAudience(t *testing.T) {
	for _, test := range []struct {
		audience string
		clients  []string
		warns    bool
	}{{"", nil, false}, {"bellhop", nil, false}, {auth.Any, nil, true}, {auth.Any, []string{"spa"}, false}} {
		var log bytes.Buffer
		start(t, auth.Options{
			Secrets: [][]byte{secret()}, Audience: test.audience, Clients: test.clients, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		require.Equal(t, test.warns, strings.Contains(log.String(), "any audience"), "%+v: %s", test, &log)
	}
}
