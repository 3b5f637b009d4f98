package idp

import (
	"crypto/hmac"
	"crypto/sha256"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Account is what a provider's token is about, in the provider's own terms.
type Account struct {
	Issuer   string
	Audience string // empty: the provider's default, or none
	Client   string // that asked for the token
	User     string
	Scopes   []string // wherever the provider puts what the service's scopes are made of
	Topics   []string // nil: none
}

// ListOfTopics is the claim that topics are in, for those providers that want
// claims of one's own to be URLs.
const ListOfTopics = "https://bell.example.com/topics"

// shape returns the header, besides alg and kid, and the claims of an access token,
// besides iss, iat and exp.
type shape func(a Account) (header, claims map[string]any)

// shapes returns the access tokens of providers, or the tokens that stand for them,
// by the name of the provider and, behind a slash, the version.
func shapes() map[string]shape {
	return map[string]shape{
		"Auth0": auth0Token, "Keycloak": keycloakToken, "Entra": entraToken, "Entra/v1": entraOldToken, "Cognito": cognitoToken,
		"Supabase": supabaseToken, "Clerk": clerkToken, "Okta": oktaToken, "Firebase": firebaseToken,
	}
}

// Token returns a token for an hour as a provider issues it, signed with k.
func Token(t testing.TB, provider string, k Key, a Account) string {
	t.Helper()
	header, claims := parts(t, provider, a)
	return k.TokenWith(t, header, claims)
}

// SecretToken returns such a token signed with a shared secret (HS256).
func SecretToken(t testing.TB, provider, secret string, a Account) string {
	t.Helper()
	header, claims := parts(t, provider, a)
	header["alg"] = "HS256"
	signed := segment(t, header) + "." + segment(t, claims)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(signed))
	return signed + "." + b64(mac.Sum(nil))
}

func parts(t testing.TB, provider string, a Account) (header, claims map[string]any) {
	t.Helper()
	of, known := shapes()[provider]
	require.True(t, known, "no token of %s", provider)
	header, claims = of(a)
	now := time.Now()
	maps.Copy(claims, map[string]any{"iss": a.Issuer, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()})
	if a.Topics != nil && claims[ListOfTopics] == nil && claims["topics"] == nil {
		claims["topics"] = a.Topics
	}
	return header, claims
}

// auth0Token has permissions, of an API with RBAC, and a second audience.
func auth0Token(a Account) (header, claims map[string]any) {
	claims = map[string]any{
		"sub": a.User, "aud": []string{a.Audience, a.Issuer + "userinfo"}, "azp": a.Client,
		"scope": "openid profile email offline_access", "permissions": a.Scopes,
	}
	if a.Topics != nil {
		claims[ListOfTopics] = a.Topics
	}
	return map[string]any{"typ": "JWT"}, claims
}

// keycloakToken has the roles of the realm and of clients inside of objects.
func keycloakToken(a Account) (header, claims map[string]any) {
	return map[string]any{"typ": "JWT"}, map[string]any{
		"jti": "onrtac:4d7e0d4c-9c2c-4b1f-b3f0-0a3d1c8c8b5e", "aud": []string{a.Audience, "account"}, "sub": a.User, "typ": "Bearer",
		"azp": a.Client, "sid": "f2d2c7a1-5f6e-4a7d-8f39-3c1b7a0e9d11", "acr": "1", "allowed-origins": []string{"https://app.example.com"},
		"realm_access":    map[string]any{"roles": slices.Concat([]string{"offline_access", "default-roles-acme"}, a.Scopes)},
		"resource_access": map[string]any{"account": map[string]any{"roles": []string{"manage-account", "view-profile"}}},
		"scope":           "openid email profile", "email_verified": true, "name": "Ada Lovelace", "preferred_username": "ada",
		"given_name": "Ada", "family_name": "Lovelace", "email": "ada@example.com",
	}
}

// entraToken is of version 2.0. sub is another one for each client; oid is the
// user.
func entraToken(a Account) (header, claims map[string]any) {
	return map[string]any{"typ": "JWT"}, map[string]any{
		"aud": a.Audience, "nbf": time.Now().Unix(), "aio": "AXQAi/8WAAAA", "azp": a.Client, "azpacr": "0", "name": "Ada Lovelace",
		"oid": a.User, "preferred_username": "ada@example.com", "rh": "1.AXkA", "roles": a.Scopes, "scp": "access_as_user",
		"sub": "k1dG0pO3tPq8mFAFcVbJ0nBvX9kGZb1kFJ2Vg7k3X5E", "tid": "72f988bf-86f1-41af-91ab-2d7cd011db47", "uti": "fqiBqXLPj0eQa82S", "ver": "2.0",
	}
}

// entraOldToken is of version 1.0, which applications get unless their manifest
// says otherwise.
func entraOldToken(a Account) (header, claims map[string]any) {
	header, claims = entraToken(a)
	claims["appid"], claims["appidacr"], claims["ver"] = a.Client, "0", "1.0"
	delete(claims, "azp")
	delete(claims, "azpacr")
	return header, claims
}

// cognitoToken has no aud and no typ, and scopes behind the name of a resource
// server.
func cognitoToken(a Account) (header, claims map[string]any) {
	return map[string]any{}, map[string]any{
		"sub": a.User, "cognito:groups": []string{"eu-west-1_Example_Google"}, "version": 2, "client_id": a.Client,
		"origin_jti": "6f1b9b0e-2f0c-4a5f-9c3f-1c4f6f9f0a11", "event_id": "0b1a2c3d-4e5f-4061-8273-8495a6b7c8d9", "token_use": "access",
		"scope": strings.Join(append([]string{"openid", "email"}, a.Scopes...), " "), "auth_time": time.Now().Unix(),
		"jti": "c9e0d2f4-1a3b-4c5d-8e6f-7a8b9c0d1e2f", "username": "ada",
	}
}

// supabaseToken has what an operator says of a user in app_metadata.
func supabaseToken(a Account) (header, claims map[string]any) {
	return map[string]any{"typ": "JWT"}, map[string]any{
		"aud": "authenticated", "sub": a.User, "email": "ada@example.com", "phone": "", "role": "authenticated", "aal": "aal1",
		"app_metadata":  map[string]any{"provider": "email", "providers": []string{"email"}, "scopes": a.Scopes},
		"user_metadata": map[string]any{"scopes": []string{"notify:admin"}}, // which users write themselves
		"amr":           []any{map[string]any{"method": "password", "timestamp": time.Now().Unix()}},
		"session_id":    "9f1c7c1e-6a55-4dd2-8d4b-2f5b2a4b6c7d", "is_anonymous": false,
	}
}

// clerkToken is a session token, which has no aud: azp is the origin of the page.
func clerkToken(a Account) (header, claims map[string]any) {
	claims = map[string]any{
		"sub": a.User, "azp": a.Client, "nbf": time.Now().Add(-10 * time.Second).Unix(), "sid": "sess_2c3d4e5f6a7b8c9d0e1f", "sts": "active",
		"fva": []int{4, -1}, "v": 2, "pla": "u:free", "fea": "", "permissions": a.Scopes,
	}
	return map[string]any{"typ": "JWT", "cat": "cl_B7d4PD111AAA"}, claims
}

// oktaToken has a list of scopes.
func oktaToken(a Account) (header, claims map[string]any) {
	return map[string]any{}, map[string]any{
		"ver": 1, "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE", "aud": a.Audience, "cid": a.Client, "uid": "00ufv3fxpA1sQ7S1d7",
		"scp": append([]string{"openid", "profile"}, a.Scopes...), "auth_time": time.Now().Unix(), "sub": a.User,
	}
}

// firebaseToken is an ID token, which stands for an access token there, with a
// claim of the operator's own.
func firebaseToken(a Account) (header, claims map[string]any) {
	return map[string]any{"typ": "JWT"}, map[string]any{
		"name": "Ada Lovelace", "aud": a.Audience, "auth_time": time.Now().Unix(), "user_id": a.User, "sub": a.User, "email": "ada@example.com",
		"email_verified": true, "scopes": a.Scopes,
		"firebase": map[string]any{"identities": map[string]any{"email": []string{"ada@example.com"}}, "sign_in_provider": "password"},
	}
}
