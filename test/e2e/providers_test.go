package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/test/idp"
)

// example is the configuration of one provider's issuer.
type example struct {
	provider string // of package idp, with the version of its tokens
	text     string // of the issuers file

	// The members of the entry, and the values for tokens.
	Issuer      string   `yaml:"issuer"`
	JWKS        string   `yaml:"jwks"`
	SecretFile  string   `yaml:"secret_file"`
	Audiences   []string `yaml:"audiences"`
	Clients     []string `yaml:"clients"`
	ScopePrefix string   `yaml:"scope_prefix"`
	UserPrefix  string   `yaml:"user_prefix"`
}

func newExample(t *testing.T, provider, text string) example {
	t.Helper()
	var entries []example
	require.NoError(t, yaml.Unmarshal([]byte(text), &entries), text)
	require.Len(t, entries, 1, text)
	e := entries[0]
	e.provider, e.text = provider, text
	return e
}

// examples returns the examples of the operating guide and further providers.
func examples(t *testing.T) []example {
	t.Helper()
	all := []example{
		newExample(t, "Entra/v1", `
- issuer: https://sts.windows.net/72f988bf-86f1-41af-91ab-2d7cd011db47/
  jwks: https://login.microsoftonline.com/common/discovery/keys
  audiences: ["*"]
  clients: [6e74172b-be56-4843-9ff4-e66a39bb12e3]
  user_claim: oid
  scope_claims: [roles, scp]
  scopes: [notify:publish]
`),
		newExample(t, "Clerk", `
- issuer: https://clerk.example.com
  jwks: https://clerk.example.com/.well-known/jwks.json
  audiences: ["*"]
  clients: [https://app.example.com]
  scope_claims: [permissions]
  scopes: [notify:publish]
`),
		newExample(t, "Okta", `
- issuer: https://acme.okta.com/oauth2/default
  jwks: https://acme.okta.com/oauth2/default/v1/keys
  audiences: [api://bellhop]
  user_prefix: "okta:"
  user_claim: uid
  scopes: [notify:publish]
`),
		newExample(t, "Firebase", `
- issuer: https://securetoken.google.com/acme-1234
  jwks: https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com
  audiences: [acme-1234]
  scope_claims: [scopes]
  scopes: [notify:publish]
`),
	}
	read, err := os.ReadFile("../../cmd/bellhop/README.md")
	require.NoError(t, err)
	inReadme := map[string]string{
		"Auth0": "Auth0", "Keycloak": "Keycloak", "Microsoft Entra ID": "Entra", "Amazon Cognito": "Cognito", "Supabase": "Supabase",
	}
	for _, block := range regexp.MustCompile("(?ms)^```yaml\n# ([A-Z][A-Za-z0-9 ]+)(?:\\.|, )(.*?)^```$").FindAllStringSubmatch(string(read), -1) {
		if provider, is := inReadme[block[1]]; is {
			all = append(all, newExample(t, provider, "# "+block[2]))
			delete(inReadme, block[1])
		}
	}
	require.Empty(t, inReadme, "the operating guide must have an example for each of these providers")
	return all
}

func exampleOf(t *testing.T, provider string) example {
	t.Helper()
	all := examples(t)
	i := slices.IndexFunc(all, func(e example) bool { return e.provider == provider })
	require.GreaterOrEqual(t, i, 0)
	return all[i]
}

// account returns a user of e whose tokens have the given scopes.
func (e example) account(scopes ...string) idp.Account {
	a := idp.Account{Issuer: e.Issuer, User: "2b4d6f80-1c3e-4a5b-8d7f-9e0a1b2c3d4e", Client: "https://client.example.com"}
	if e.Audiences[0] != "*" {
		a.Audience = e.Audiences[0]
	} else {
		a.Audience = "https://graph.example.com"
	}
	if len(e.Clients) > 0 {
		a.Client = e.Clients[0]
	}
	for _, s := range scopes {
		a.Scopes = append(a.Scopes, e.ScopePrefix+s)
	}
	return a
}

// user returns the name of a in bellhop.
func (e example) user(a idp.Account) string {
	if e.provider == "Okta" {
		return e.UserPrefix + "00ufv3fxpA1sQ7S1d7" // its uid
	}
	return a.User
}

// standIn starts a stand-in that publishes keys as the provider does, and replaces
// the address of the key set in e with its own. It returns a function that signs tokens.
func (e *example) standIn(t *testing.T, ring *idp.Ring) func(idp.Account) string {
	t.Helper()
	name, _, _ := strings.Cut(e.provider, "/")
	for _, p := range idp.Providers(ring) {
		if p.Name == name {
			i := idp.New(t, p.Set(t, p.Keys[0]))
			e.text = strings.ReplaceAll(e.text, "jwks: "+e.JWKS, "jwks: "+i.JWKS())
			return func(a idp.Account) string { return idp.Token(t, e.provider, p.Keys[0], a) }
		}
	}
	t.Fatalf("no key set of %s", name)
	return nil
}

// TestTokensOfProviders runs a service with the settings of each example and sends it
// tokens shaped like the provider's. Only the address of the key set differs from the
// operating guide.
func TestTokensOfProviders(t *testing.T) {
	ring := idp.NewRing(t)
	for _, e := range examples(t) {
		t.Run(e.provider, func(t *testing.T) {
			sign := e.standIn(t, ring)
			e.try(t, sign, func(c *config.Config) {
				c.JWTSecret, c.IssuersFile = nil, filepath.Join(t.TempDir(), "issuers.yaml")
				require.NoError(t, os.WriteFile(c.IssuersFile, []byte(e.text), 0o600))
			})
		})
	}
}

// try asserts that a user of e can connect and publish, and that tokens of other
// issuers, audiences and clients are refused.
func (e example) try(t *testing.T, sign func(idp.Account) string, change func(*config.Config)) {
	t.Helper()
	s := start(t, change)
	account := e.account("notify:publish")
	user, token := e.user(account), sign(account)
	c, _, err := s.dial(token, "")
	require.NoError(t, err)
	require.Equal(t, user, c.read().text("user"))
	c.expect("live")
	a := s.do(http.MethodPost, "/notify", draft(t, "hello", user), bearer(token)...)
	require.Equal(t, http.StatusAccepted, a.StatusCode, "%s", a.body)
	c.expect("hello")

	// Scopes are read only from the configured claims.
	assert.Equal(t, "scope", s.do(http.MethodPost, "/notify", draft(t, "hello", user), bearer(sign(e.account()))...).problem(t))
	assert.Equal(t, "scope", s.do(http.MethodGet, "/users/"+user+"/connections", "", bearer(token)...).problem(t))

	refused := func(why string, change func(*idp.Account)) {
		other := account
		change(&other)
		assert.Equal(t, "token-invalid", s.do(http.MethodGet, "/inbox", "", bearer(sign(other))...).problem(t), why)
	}
	refused("another issuer", func(a *idp.Account) { a.Issuer += "x" })
	if e.Audiences[0] != "*" && e.provider != "Supabase" { // all tokens of Supabase have one audience
		refused("another audience", func(a *idp.Account) { a.Audience += "x" })
	}
	if len(e.Clients) > 0 {
		refused("another client", func(a *idp.Account) { a.Client += "x" })
	}
}

// TestTopicsOfAuth0 reads topics from a claim whose name is a URL.
func TestTopicsOfAuth0(t *testing.T) {
	e := exampleOf(t, "Auth0")
	sign := e.standIn(t, idp.NewRing(t))
	s := start(t, func(c *config.Config) {
		c.JWTSecret, c.IssuersFile = nil, filepath.Join(t.TempDir(), "issuers.yaml")
		require.NoError(t, os.WriteFile(c.IssuersFile, []byte(e.text), 0o600))
	})
	a := e.account()
	a.Topics = []string{"news", "project.*"}
	c, _, err := s.dial(sign(a), "")
	require.NoError(t, err)
	require.Equal(t, []any{"news", "project.*"}, c.read().Data["topics"])
}

// TestSupabaseWithItsLegacySecret configures a file with the shared secret instead of
// the key set.
func TestSupabaseWithItsLegacySecret(t *testing.T) {
	const legacy = "super-secret-jwt-token-with-at-least-32-characters-long"
	e := exampleOf(t, "Supabase")
	file := filepath.Join(t.TempDir(), "jwt-secret.txt")
	require.NoError(t, os.WriteFile(file, []byte(legacy+"\n"), 0o600))
	require.Contains(t, e.text, "secret_file: jwt-secret.txt")
	e.text = strings.Replace(e.text, "jwks: "+e.JWKS, "secret_file: "+file, 1)
	e.try(t, func(a idp.Account) string { return idp.SecretToken(t, "Supabase", legacy, a) }, func(c *config.Config) {
		c.JWTSecret, c.IssuersFile = nil, filepath.Join(t.TempDir(), "issuers.yaml")
		require.NoError(t, os.WriteFile(c.IssuersFile, []byte(e.text), 0o600))
	})
}

// TestSettingsOfOneProvider runs a service with the environment variables that the
// operating guide shows for a single issuer.
func TestSettingsOfOneProvider(t *testing.T) {
	read, err := os.ReadFile("../../cmd/bellhop/README.md")
	require.NoError(t, err)
	block := regexp.MustCompile("(?ms)^```dotenv\n(.*?)^```$").FindStringSubmatch(string(read))
	require.NotNil(t, block)
	e := exampleOf(t, "Auth0")
	sign := e.standIn(t, idp.NewRing(t))
	jwks := regexp.MustCompile(`jwks: (\S+)`).FindStringSubmatch(e.text)[1]
	environ := strings.Fields(strings.Replace(block[1], e.JWKS, jwks, 1))
	e.try(t, sign, func(c *config.Config) {
		cfg, err := config.Load(config.Sources{Environ: environ, NeedKey: true})
		require.NoError(t, err)
		cfg.Listen, cfg.AdminListen, cfg.DataDir, cfg.DrainWindow = c.Listen, c.AdminListen, c.DataDir, c.DrainWindow
		*c = *cfg
	})
}
