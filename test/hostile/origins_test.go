package hostile

// origins returns cases of Origin headers for a service that allows
// https://app.example.com, https://*.example.org, https://xn--bcher-kva.example and
// myapp://phone.
func origins() []requestCase {
	const refused = "403 origin"
	of := func(origin, want string) requestCase {
		return requestCase{origin, "Origin: " + origin + "\r\n", want}
	}
	return []requestCase{
		{"absent", "", "101"},
		of("https://app.example.com", "101"),
		of("HTTPS://APP.example.com", "101"), // case does not matter
		of("https://app.example.com:443", "101"),
		of("https://a.b.example.org", "101"),
		of("https://xn--bcher-kva.example", "101"),
		of("myapp://phone", "101"),
		{"empty", "Origin:\r\n", refused},
		of("null", refused),
		of("*", refused),
		of("https://*.example.org", refused),
		of("http://app.example.com", refused),
		of("https://app.example.com/", refused),
		of("https://app.example.com:444", refused),
		of("https://app.example.com:0443", refused),
		of("https://app.example.com:", refused),
		of("https://app.example.com:65979", refused), // 443 and 2^16
		of("https://app.example.com.", refused),
		of("https://app.example.com.evil.example", refused),
		of("https://evil-app.example.com", refused),
		of("https://evilexample.org", refused),
		of("https://example.org", refused),
		of("https://.example.org", refused),
		of("https://a..example.org", refused),
		of("https://app.example.com@evil.example", refused),
		of("https://evil.example#app.example.com", refused),
		of("https://evil.example\\.example.org", refused),
		of("https://evil.example/.example.org", refused),
		of("https://evil.example%2f.example.org", refused),
		of("https://user:pass@app.example.com", refused),
		of("https://bücher.example", refused),
		of("https://app.example.com\u200b", refused),
		of("https://\u212Aapp.example.org", refused), // the Kelvin sign must not be folded to k
		of("https://[::1].example.org", refused),
		of("https://app.example.com https://evil.example", refused),
		of("https://app.example.com,https://evil.example", refused),
		of("//app.example.com", refused),
		of("app.example.com", refused),
		of("javascript://app.example.com", refused),
		{"two headers", "Origin: https://app.example.com\r\nOrigin: https://evil.example\r\n", refused},
		{"two equal headers", "Origin: https://app.example.com\r\nOrigin: https://app.example.com\r\n", refused},
	}
}
