package idp

import (
	"encoding/base64"
	"fmt"
	"testing"
)

// Provider is the shape of the key sets of an identity provider.
type Provider struct {
	Name string

	// Keys are those that the provider signs with, in the order in which it
	// rotates through them.
	Keys []Key

	// entry returns a key as the provider publishes it.
	entry func(t testing.TB, k Key) map[string]any

	// others returns its other published keys, which sign no tokens.
	others func(t testing.TB) []map[string]any
}

// Set returns the key set that the provider publishes while these keys are in
// use.
func (p *Provider) Set(t testing.TB, keys ...Key) []byte {
	t.Helper()
	var entries []map[string]any
	for _, k := range keys {
		entries = append(entries, p.entry(t, k))
	}
	if p.others != nil {
		entries = append(entries, p.others(t)...)
	}
	return Set(entries...)
}

// Providers returns the corpus. Members, their forms and the shapes of kid are
// those of the providers; the keys are those of the ring.
func Providers(r *Ring) []*Provider {
	return []*Provider{
		keycloak(r), auth0(r), entra(r), cognito(r), okta(r), firebase(r), supabase(r), clerk(r), zitadel(r), workOS(r), wso2(r),
	}
}

// rsaKeys returns three keys for RS256 with these names.
func rsaKeys(r *Ring, kids [3]string) []Key {
	return []Key{r.RSA(0, kids[0]), r.RSA(1, kids[1]), r.RSA(2, kids[2])}
}

// plain publishes kty, n, e, kid, alg and use.
func plain(_ testing.TB, k Key) map[string]any { return k.JWK(nil) }

// keycloak publishes certificates with both thumbprints and, in every realm, a
// key for encryption.
func keycloak(r *Ring) *Provider {
	entry := func(t testing.TB, k Key) map[string]any {
		t.Helper()
		der := k.Certificate(t)
		return k.JWK(map[string]any{"x5c": x5c(der), "x5t": x5t(der), "x5t#S256": x5tS256(der)})
	}
	return &Provider{
		Name: "Keycloak",
		Keys: rsaKeys(r, [3]string{
			"FJ86GcF3jTbNLOco4NvZkUCIUmfYCqoqtOQeMfbhNlE", "Zt0cJX3kQEhKBfTtyLwAq1tkcGmR1Yc2WbFqDOmZb5w", "q7oQyVd0lEOOPDV4h8Jv4lGzM8lh3aXjSgpbJ2TQF8k",
		}),
		entry: entry,
		others: func(t testing.TB) []map[string]any {
			t.Helper()
			e := entry(t, r.RSA(3, "zOXQ5eUFQAmR0lP7pGxSrTYYfBcSO4hYX1x8T8i2bDI"))
			e["alg"], e["use"] = "RSA-OAEP", "enc"
			return []map[string]any{e}
		},
	}
}

// auth0 publishes the key in use and the next one, with an x5t of hexadecimal
// digits.
func auth0(r *Ring) *Provider {
	return &Provider{
		Name: "Auth0",
		Keys: rsaKeys(r, [3]string{"NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Qg", "1Z57d_i7TE6KTY57pKzDy", "cuDtEs_hYC1mFPgcAE3FH"}),
		entry: func(t testing.TB, k Key) map[string]any {
			t.Helper()
			der := k.Certificate(t)
			return k.JWK(map[string]any{"x5c": x5c(der), "x5t": x5tOfHex(der)})
		},
	}
}

// entra publishes no alg, and the issuer that a key is for.
func entra(r *Ring) *Provider {
	return &Provider{
		Name: "Entra",
		Keys: rsaKeys(r, [3]string{"CNv0OI3RwqlHFEVnaoMAshCH2XE", "JYhAcTPMZ_LX6DBlOWQ7Hn0NeXE", "2ZQpJ3UpbjAYXYGaXEJl8lV0TOI"}),
		entry: func(t testing.TB, k Key) map[string]any {
			t.Helper()
			return k.JWK(map[string]any{
				"alg": nil, "x5t": k.KID, "x5c": x5c(k.Certificate(t)), "cloud_instance_name": "microsoftonline.com",
				"issuer": "https://login.microsoftonline.com/{tenantid}/v2.0",
			})
		},
	}
}

// cognito has kids in base64 with padding.
func cognito(r *Ring) *Provider {
	kid := func(n int) string {
		return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "a Cognito key of 32 bytes, no. %d", n))
	}
	return &Provider{Name: "Cognito", Keys: rsaKeys(r, [3]string{kid(1), kid(2), kid(3)}), entry: plain}
}

func okta(r *Ring) *Provider {
	return &Provider{
		Name:  "Okta",
		Keys:  rsaKeys(r, [3]string{"lYXxnoTqWbI3oF6wY6WzK5MjKxZsGR3LhQvHqSo5oHk", "U5R8cHbGw445Qbq8zVO1PcCpXL8yG6IcovVa3laCoxM", "TRUEN2ZIjjDoUSY6VVwKiuOBFVsAwC0hmBqfdHi6xkg"}),
		entry: plain,
	}
}

// firebase has the SHA-1 of a certificate in hexadecimal digits as kid.
func firebase(r *Ring) *Provider {
	return &Provider{
		Name:  "Firebase",
		Keys:  rsaKeys(r, [3]string{"b8cd2f3e5a5b4c1f9a7d6e8c0b1a2d3e4f506172", "9e9bd3a2cf8d47f0b1a6c5d4e3f2a1b0c9d8e7f6", "1bb7738a9e0f4d2c8b6a5f4e3d2c1b0a9f8e7d6c"}),
		entry: plain,
	}
}

// CertificatesOfFirebase returns what Firebase publishes at its other URL: a map
// of certificates, which is no key set.
func CertificatesOfFirebase(t testing.TB, k Key) []byte {
	t.Helper()
	return certificateMap(k.KID, k.Certificate(t))
}

// supabase signs with ES256 or RS256 and publishes key_ops and ext.
func supabase(r *Ring) *Provider {
	return &Provider{
		Name: "Supabase",
		Keys: []Key{r.EC(0, "b81269f1-21d8-4f2e-b719-c2240a840d90"), r.EC(1, "c1c3d5bb-5f2f-4d4c-8e3e-2f1d1f6b0a11"), r.RSA(0, "f0e1d2c3-b4a5-4697-8879-6a5b4c3d2e1f")},
		entry: func(_ testing.TB, k Key) map[string]any {
			return k.JWK(map[string]any{"ext": true, "key_ops": []string{"verify"}})
		},
	}
}

func clerk(r *Ring) *Provider {
	return &Provider{
		Name:  "Clerk",
		Keys:  rsaKeys(r, [3]string{"ins_2GIoQhbUpy0hX7B2cVkuTMinXoD", "ins_2aXcZQk1VdOlXw4cC8mJ0nqjCwz", "ins_2fPpMJwBf3cTZ2b2ZrQ5gWcE0hT"}),
		entry: plain,
	}
}

// zitadel has kids of digits, as strings.
func zitadel(r *Ring) *Provider {
	return &Provider{Name: "Zitadel", Keys: rsaKeys(r, [3]string{"257372385775925924", "259218340962541735", "261033018765230382"}), entry: plain}
}

// workOS publishes the certificate and its SHA-256.
func workOS(r *Ring) *Provider {
	return &Provider{
		Name: "WorkOS",
		Keys: rsaKeys(r, [3]string{
			"sso_oidc_key_pair_01HGX5XWW9P6M5Q4VJ2ZK8Y7TA", "sso_oidc_key_pair_01J4Y2V0F0B9V8S4Z6E3N7M1QH", "sso_oidc_key_pair_01JQ8B7C6D5E4F3G2H1J0K9M8N",
		}),
		entry: func(t testing.TB, k Key) map[string]any {
			t.Helper()
			der := k.Certificate(t)
			return k.JWK(map[string]any{"x5c": x5c(der), "x5t#S256": x5tS256(der)})
		},
	}
}

// wso2 publishes thumbprints of hexadecimal digits, one of them as kid with the
// algorithm behind it.
func wso2(r *Ring) *Provider {
	kid := func(n int) string {
		return b64(fmt.Appendf(nil, "%064x", n+0x5f0c)) + "_RS256"
	}
	return &Provider{
		Name: "WSO2",
		Keys: rsaKeys(r, [3]string{kid(1), kid(2), kid(3)}),
		entry: func(t testing.TB, k Key) map[string]any {
			t.Helper()
			der := k.Certificate(t)
			return k.JWK(map[string]any{"x5c": x5c(der), "x5t": x5tOfHex(der), "x5t#S256": x5tS256OfHex(der)})
		},
	}
}
