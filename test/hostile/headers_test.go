package hostile

import (
	"slices"
	"strings"
)

// headers returns cases of complete requests with placeholders: {token} may publish,
// {reader} may not, {draft} is a valid body, {upgrade} are the headers of a WebSocket
// handshake.
func headers() []requestCase {
	return slices.Concat(authorizations(), handshakes(), keys(), bombs(), smuggling())
}

// handshakeWith returns a WebSocket handshake with additional header lines.
func handshakeWith(lines ...string) string {
	return "GET /ws HTTP/1.1\r\nHost: x\r\n" + strings.Join(lines, "\r\n") + "\r\n{upgrade}\r\n"
}

func authorizations() []requestCase {
	return []requestCase{
		{"two Authorizations", handshakeWith("Authorization: Bearer {token}", "Authorization: Bearer {token}"), "400 malformed"},
		{"two tokens in one", handshakeWith("Authorization: Bearer {token}, Bearer {token}"), "400 malformed"},
		{"token that is JSON", handshakeWith(`Authorization: Bearer {"payload":"e30","signatures":[]}`), "400 malformed"},
		{"token with tabs", handshakeWith("Authorization: Bearer a\tb"), "400 malformed"},
		{"Basic", handshakeWith("Authorization: Basic YTpi"), "401 unauthenticated"},
		{"no scheme", handshakeWith("Authorization: {token}"), "401 unauthenticated"},
		{"scheme in another case", handshakeWith("Authorization: bEaReR {reader}"), "101"},
		{"scheme with a Kelvin sign", handshakeWith("Authorization: Bearer\u212A {reader}"), "401 unauthenticated"},
		{"in the header and a subprotocol", handshakeWith("Authorization: Bearer {reader}", "Sec-WebSocket-Protocol: bellhop.v1, bearer.{reader}"), "400 malformed"},
		{"two in the subprotocols", handshakeWith("Sec-WebSocket-Protocol: bellhop.v1, bearer.{reader}, bearer.{reader}"), "400 malformed"},
		{"alone in the subprotocols", handshakeWith("Sec-WebSocket-Protocol: bearer.{reader}"), "400 malformed"},
		{"unknown subprotocols", handshakeWith("Authorization: Bearer {reader}", "Sec-WebSocket-Protocol: soap, wamp"), "400 malformed"},
		{"in a cookie", handshakeWith("Cookie: token={reader}"), "401 unauthenticated"},
		{"in the URL", strings.Replace(handshakeWith("Accept: */*"), "/ws", "/ws?access_token={reader}", 1), "401 token-invalid"},
		{"in the URL and a header", strings.Replace(handshakeWith("Authorization: Bearer {reader}"), "/ws", "/ws?x={reader}", 1), "401 token-invalid"},
		{"two cursors", strings.Replace(handshakeWith("Authorization: Bearer {reader}"), "/ws", "/ws?cursor=a&cursor=b", 1), "400 malformed"},
		{"invalid query", strings.Replace(handshakeWith("Authorization: Bearer {reader}"), "/ws", "/ws?cursor=%zz", 1), "400 malformed"},
		{"query with semicolons", strings.Replace(handshakeWith("Authorization: Bearer {reader}"), "/ws", "/ws?a=1;b=2", 1), "400 malformed"},
	}
}

func handshakes() []requestCase {
	const bearer, key = "Authorization: Bearer {reader}\r\n", "Sec-WebSocket-Key: " + nonce + "\r\n"
	const asks, version = "Connection: Upgrade\r\nUpgrade: websocket\r\n", "Sec-WebSocket-Version: 13\r\n"
	of := func(name, lines, want string) requestCase {
		return requestCase{name, "GET /ws HTTP/1.1\r\nHost: x\r\n" + bearer + lines + "\r\n", want}
	}
	return []requestCase{
		of("no upgrade", "", "426 upgrade"),
		of("upgrade to another protocol", "Connection: Upgrade\r\nUpgrade: h2c\r\n"+version+key, "426 upgrade"),
		of("upgrade that Connection does not name", "Connection: keep-alive\r\nUpgrade: websocket\r\n"+version+key, "426 upgrade"),
		of("lists of tokens", "Connection: keep-alive, upgrade\r\nUpgrade: h2c, WebSocket\r\n"+version+key, "101"),
		of("no version", asks+key, "426 upgrade"),
		of("version 8", asks+"Sec-WebSocket-Version: 8\r\n"+key, "426 upgrade"),
		of("two versions", asks+version+version+key, "426 upgrade"),
		of("list of versions", asks+"Sec-WebSocket-Version: 13, 8\r\n"+key, "426 upgrade"),
		of("no key", asks+version, "400 malformed"),
		of("two keys", asks+version+key+key, "400 malformed"),
		of("key of 15 bytes", asks+version+"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA\r\n", "400 malformed"),
		of("key of 17 bytes", asks+version+"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAA=\r\n", "400 malformed"),
		of("key with spare bits", asks+version+"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAB==\r\n", "400 malformed"),
		of("key that is not base64", asks+version+"Sec-WebSocket-Key: ????????????????????????\r\n", "400 malformed"),
		of("body", asks+version+key+"Content-Length: 2\r\n\r\n", "400 malformed"), // the empty line ends the header, and the next line is the body
		of("chunked body", asks+version+key+"Transfer-Encoding: chunked\r\n\r\n0\r\n", "400 malformed"),
		of("deflate", asks+version+key+"Sec-WebSocket-Extensions: permessage-deflate\r\n", "101"),
		{"HTTP/1.0", "GET /ws HTTP/1.0\r\nHost: x\r\n" + bearer + "{upgrade}\r\n", "426 upgrade"},
		{"POST", "POST /ws HTTP/1.1\r\nHost: x\r\n" + bearer + "Content-Length: 0\r\n{upgrade}\r\n", "405 method"},
	}
}

func keys() []requestCase {
	of := func(name, lines, want string) requestCase {
		return requestCase{name, publishing(lines, "Content-Length: "+lengthOfDraft+"\r\n") + "{draft}", want}
	}
	return []requestCase{
		of("idempotency key", "Idempotency-Key: \"a key\"\r\n", "202"),
		of("two idempotency keys", "Idempotency-Key: a\r\nIdempotency-Key: a\r\n", "400 malformed"),
		of("empty idempotency key", "Idempotency-Key:\r\n", "400 malformed"),
		of("quotes as idempotency key", "Idempotency-Key: \"\"\r\n", "400 malformed"),
		of("idempotency key of 256 characters", "Idempotency-Key: "+strings.Repeat("k", 256)+"\r\n", "400 malformed"),
		of("idempotency key that is not ASCII", "Idempotency-Key: schlüssel\r\n", "400 malformed"),
	}
}

const lengthOfDraft = "38"

// publishing returns the header of a publish with additional lines.
func publishing(lines ...string) string {
	return "POST /notify HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n" +
		strings.Join(lines, "") + "\r\n"
}

// bombs returns large and malformed requests, most of them answered by net/http itself.
func bombs() []requestCase {
	const host = "GET /livez HTTP/1.1\r\nHost: x\r\n"
	return []requestCase{
		{"header of 64 KiB", host + "X: " + strings.Repeat("x", 64<<10) + "\r\n\r\n", "431"},
		{"ten thousand headers", host + strings.Repeat("X: x\r\n", 10_000) + "\r\n", "431"},
		{"path of 64 KiB", "GET /" + strings.Repeat("x", 64<<10) + " HTTP/1.1\r\nHost: x\r\n\r\n", "431"},
		{"method of 64 KiB", strings.Repeat("G", 64<<10) + " / HTTP/1.1\r\nHost: x\r\n\r\n", "431"},
		{"header without a colon", host + "nonsense\r\n\r\n", "400"},
		{"space before the colon", host + "X : x\r\n\r\n", "400"},
		{"folded header", host + "X: a\r\n b\r\n\r\n", "200"},
		{"zero in a header", host + "X: a\x00b\r\n\r\n", "400"},
		{"no host", "GET /livez HTTP/1.1\r\n\r\n", "400"},
		{"two hosts", host + "Host: y\r\n\r\n", "400"},
		{"HTTP/2 without an upgrade", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "404 not-found"},
		{"HTTP/9.9", "GET /livez HTTP/9.9\r\nHost: x\r\n\r\n", "505"},
		{"not HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400"},
		{"path with ..", "GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", "404 not-found"},
		{"path with escaped ..", "GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n", "404 not-found"},
		{"path with a line break", "GET /a%0d%0aX:%20b HTTP/1.1\r\nHost: x\r\n\r\n", "404 not-found"},
		{"metrics of the admin listener", "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "404 not-found"},
		{"profiles of the admin listener", "GET /debug/pprof/heap HTTP/1.1\r\nHost: x\r\n\r\n", "404 not-found"},
		{"CONNECT", "CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n", "404 not-found"},
		{"TRACE", "TRACE /livez HTTP/1.1\r\nHost: x\r\n\r\n", "405 method"},
		{"a URL of another host", "GET http://evil.example/livez HTTP/1.1\r\nHost: x\r\n\r\n", "200"},
	}
}

// smuggling returns requests whose end two servers in a row may see at different places.
func smuggling() []requestCase {
	chunked := "26\r\n{draft}\r\n0\r\n\r\n"
	return []requestCase{
		{"chunked", publishing("Transfer-Encoding: chunked\r\n") + chunked, "202"},
		{"two lengths", publishing("Content-Length: 38\r\nContent-Length: 0\r\n") + "{draft}", "400"},
		{"length in a list", publishing("Content-Length: 38, 0\r\n") + "{draft}", "400"},
		{"negative length", publishing("Content-Length: -1\r\n") + "{draft}", "400"},
		{"signed length", publishing("Content-Length: +38\r\n") + "{draft}", "400"},
		{"length beyond 64 bits", publishing("Content-Length: 18446744073709551654\r\n") + "{draft}", "400"},
		{"hexadecimal length", publishing("Content-Length: 0x26\r\n") + "{draft}", "400"},
		{"unknown coding", publishing("Transfer-Encoding: cchunked\r\n") + chunked, "501"},
		{"gzip, chunked", publishing("Transfer-Encoding: gzip, chunked\r\n") + chunked, "501"},
		{"chunked twice", publishing("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") + chunked, "501"},
		{"chunked behind a tab", publishing("Transfer-Encoding: \x0bchunked\r\n") + chunked, "400"},
		{"chunk of a negative size", publishing("Transfer-Encoding: chunked\r\n") + "-1\r\n{draft}\r\n0\r\n\r\n", "400 malformed"},
		{"chunk beyond 64 bits", publishing("Transfer-Encoding: chunked\r\n") + "10000000000000026\r\n{draft}\r\n0\r\n\r\n", "400 malformed"},
		{"chunk longer than its size", publishing("Transfer-Encoding: chunked\r\n") + "10\r\n{draft}\r\n0\r\n\r\n", "400 malformed"},
	}
}
