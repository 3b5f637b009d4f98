package auth_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
)

func TestOrigins(t *testing.T) {
	tests := map[string]struct {
		list    []string
		allowed []string
		refused []string
	}{
		"subdomains of this machine": {
			[]string{"http://*.localhost:3000"},
			[]string{"http://app.localhost:3000"},
			[]string{"http://localhost:3000", "http://app.localhost"},
		},
		"no list": {nil, nil, []string{"https://a.com", "null", "", "http://localhost"}},
		"exact": {
			[]string{"https://a.com"},
			[]string{"https://a.com", "https://a.com:443", "HTTPS://A.Com"},
			[]string{
				"http://a.com", "https://a.com:444", "https://b.a.com", "https://a.com.", "https://a.comx", "https://a.com.evil.org",
				"https://xa.com", "null", "", "a.com", "https:a.com", "https:///a.com", "https://a.com/", "https://a.com?", "https://a.com#",
				"https://a.com/x", "https://u@a.com", "https://u:p@a.com", "https://a.com@evil.org", "https://a.com\\@evil.org",
				"https://a.com:", "https://a.com:0443", "https://a.com:0", "https://a.com:65536", "https://a.com:+443", "https://a.com:443:443",
				" https://a.com", "https://a.com ", "https://a.com\t", "https://a.com\x00", "https://a.com https://a.com", "https://a.com,https://a.com",
				"https://a%2ecom", "https://a。com", "https://ａ.com", "https://*", "*",
			},
		},
		"folding is ASCII": {[]string{"https://kk.com"}, []string{"https://KK.com"}, []string{"https://\u212ak.com"}},
		"port":             {[]string{"http://localhost:3000", "http://a.com:80"}, []string{"http://localhost:3000", "http://a.com"}, []string{"http://localhost", "http://localhost:3001", "https://localhost:3000", "https://a.com"}},
		"any scheme":       {[]string{"capacitor://localhost", "chrome-extension://abcdef"}, []string{"capacitor://localhost", "chrome-extension://abcdef"}, []string{"ionic://localhost", "https://localhost", "capacitor://localhost:80"}},
		"apps": {
			[]string{"app://.", "file://", "capacitor://localhost", "tauri://localhost", "app://*.example.com", "safari-web-extension://0A1B", "null"},
			[]string{"app://.", "file://", "FILE://", "capacitor://localhost", "tauri://localhost", "app://a.example.com", "safari-web-extension://0A1B", "null"},
			[]string{"app://", "app://..", "app://./", "file:///", "file://.", "file://x", "file:", "://", "https://", "http://.", "app://a..example.com", "app://.example.com", "app://example.com"},
		},
		"addresses": {
			[]string{"http://127.0.0.1", "http://[::1]:8080", "http://[2001:DB8:0::1]"},
			[]string{"http://127.0.0.1:80", "http://[::1]:8080", "http://[0:0::1]:8080", "http://[2001:db8::1]"},
			[]string{"http://[::1]", "http://::1:8080", "http://[::1%25lo]:8080", "http://[::1%lo]:8080", "http://[127.0.0.1]", "http://[::1", "http://[::1]x", "http://[::1]:", "http://[]"},
		},
		"subdomains": {
			[]string{"https://*.example.com"},
			[]string{"https://a.example.com", "https://a.b.example.com:443", "https://A.Example.com"},
			[]string{
				"https://example.com", "https://.example.com", "https://a..example.com", "https://aexample.com", "http://a.example.com", "https://a.example.com:8443",
				"https://a.example.com.evil.org", "https://a.example.com.", "https://*.example.com", "https://evil.org/.example.com", "https://evil.org#.example.com", "https://com",
			},
		},
		"subdomains at a port": {[]string{"http://*.localhost:3000"}, []string{"http://a.localhost:3000"}, []string{"http://a.localhost", "http://localhost:3000"}},
		"not of an address":    {[]string{"http://*.0.0.1"}, []string{"http://a.0.0.1"}, []string{"http://127.0.0.1"}},
		"null":                 {[]string{"null", "https://a.com"}, []string{"null", "https://a.com"}, []string{"NULL", "null ", "null://null", ""}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o, err := auth.ParseOrigins(test.list)
			require.NoError(t, err)
			for _, origin := range test.allowed {
				assert.True(t, o.Allows(origin), "%q", origin)
			}
			for _, origin := range test.refused {
				assert.False(t, o.Allows(origin), "%q", origin)
			}
		})
	}
	assert.False(t, auth.Origins{}.Allows("https://a.com"))
}

func TestOriginsRefused(t *testing.T) {
	tests := map[string]string{ // entry -> what the error says
		"":                             "scheme://host",
		"a.com":                        "scheme://host",
		"//a.com":                      "scheme://host",
		"1ttp://a.com":                 "scheme://host",
		"*":                            "list them",
		"*://a.com":                    "scheme://host",
		"https://":                     "scheme://host",
		"https://*":                    "first label",
		"https://*.":                   "scheme://host",
		"https://*a.com":               "first label",
		"https://a.*.com":              "first label",
		"https://*.*.com":              "first label",
		"https://*.com":                "at least two labels",
		"HTTPS://*.COM.:444":           "at least two labels",
		"app://*.x":                    "at least two labels",
		"app://*.":                     "a domain must follow",
		"app://*..":                    "a domain must follow",
		"app://*.a..b":                 "a domain must follow",
		"app://*":                      "first label",
		"app://a.*":                    "first label",
		"app://a b":                    "domain",
		"file:///":                     "not even a slash",
		"http://.":                     "domain",
		"https://*.[::1]":              "no subdomains",
		"https://*.10.0.0.1":           "no subdomains",
		"https://a.com/":               "not even a slash",
		"https://a.com/app":            "no path",
		"https://a.com?x":              "query",
		"https://a.com#x":              "fragment",
		"https://u:p@a.com":            "user",
		"https://a.com:x":              "port",
		"https://a.com:99999":          "port",
		"https://bücher.example":       "xn--",
		"https://a b.com":              "domain",
		"https://a.com, https://b.com": "scheme://host",
		"https://[a]":                  "IPv6",
	}
	for entry, want := range tests {
		t.Run(entry, func(t *testing.T) {
			_, err := auth.ParseOrigins([]string{entry})
			require.ErrorContains(t, err, want)
		})
	}

	_, err := auth.ParseOrigins([]string{"https://a.com", "b.com", "*"})
	require.ErrorContains(t, err, `"b.com"`)
	require.ErrorContains(t, err, `"*"`)
}

func TestARefusedOriginIsNamedWithItsSetting(t *testing.T) {
	for sent, want := range map[string]string{
		"https://bell.example.com": `the origin "https://bell.example.com" is not in BELLHOP_ALLOWED_ORIGINS`,
		"":                         `the origin "" is not in`,
		"a\"\x00\n\u202e":          `the origin "a\"\x00\n\u202e" is not in`,
		strings.Repeat("x", 5000):  `the origin "` + strings.Repeat("x", 100) + `"… is not in`,
	} {
		err := auth.RefusedOrigin([]string{sent})
		require.ErrorIs(t, err, notify.ErrOrigin)
		require.Contains(t, err.Error(), want)
	}
	err := auth.RefusedOrigin([]string{"https://a.com", "https://a.com"})
	require.ErrorIs(t, err, notify.ErrOrigin)
	require.Contains(t, err.Error(), "one Origin header")
}

func FuzzOrigin(f *testing.F) {
	for _, s := range []string{
		"https://a.com", "https://*.example.com", "null", "http://[::1]:8080", "capacitor://localhost",
		"https://a.com:443", "https://u@a.com", "https://a.com\\@b.com", "HTTPS://A.COM", "https://x.y.example.com", "https://\u212a",
		"app://.", "file://", "app://*.x..y", "app://*.", "app://~",
	} {
		f.Add(s)
	}
	list, err := auth.ParseOrigins([]string{"https://example.com", "https://*.example.com", "http://localhost:3000"})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, s string) {
		if list.Allows(s) {
			low := strings.ToLower(s)
			ok := low == "http://localhost:3000"
			if host, is := strings.CutPrefix(low, "https://"); is {
				host = strings.TrimSuffix(host, ":443")
				ok = host == "example.com" || strings.HasSuffix(host, ".example.com")
				ok = ok && !strings.ContainsAny(host, "/\\?#@: \t\r\n%[]")
			}
			require.True(t, ok, "%q passed", s)
		}
		own, err := auth.ParseOrigins([]string{s})
		if err != nil {
			require.False(t, own.Allows(s))
			return
		}
		require.Equal(t, !strings.Contains(s, "*"), own.Allows(s), "%q listed", s)
	})
}
