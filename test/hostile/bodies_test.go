package hostile

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
)

// bodies returns cases of POST /notify with a token that may publish. A case is a body,
// or headers and a body.
func bodies() []requestCase {
	const most = 512 << 10
	const kind = "Content-Type: application/json\r\n"
	with := func(member string) string { return `{"to":{"users":["absent"]},"type":"t",` + member + `}` }
	to := func(to string) string { return `{"to":` + to + `,"type":"t"}` }
	return []requestCase{
		{"valid", draft, "202"},
		{"empty", "", "400 malformed"},
		{"cut off", draft[:len(draft)-1], "400 malformed"},
		{"member twice", with(`"type":"u"`), "400 malformed"},
		{"member twice by escape", with(`"\u0074ype":"u"`), "400 malformed"},
		{"member twice deep inside", with(`"data":{"a":{"b":1,"b":2}}`), "400 malformed"},
		{"data after the body", draft + "{}", "400 malformed"},
		{"zero byte after the body", draft + "\x00", "400 malformed"},
		{"byte order mark", "\ufeff" + draft, "400 malformed"},
		{"UTF-16", "\xff\xfe{\x00}\x00", "400 malformed"},
		{"not UTF-8", with(`"title":"` + "\xff" + `"`), "400 malformed"},
		{"overlong slash", with(`"title":"` + "\xc0\xaf" + `"`), "400 malformed"},
		{"surrogate", with(`"title":"` + "\xed\xa0\x80" + `"`), "400 malformed"},
		{"half a surrogate pair by escape", with(`"title":"\ud800"`), "400 malformed"},
		{"line in a string", with("\"title\":\"a\nb\""), "400 malformed"},
		{"comment", with(`/**/"title":"a"`), "400 malformed"},
		{"comma at the end", with(`"title":"a",`), "400 malformed"},
		{"NaN", with(`"ttl":NaN`), "400 malformed"},
		{"Infinity", with(`"ttl":-Infinity`), "400 malformed"},
		{"number in hexadecimal", with(`"ttl":0x10`), "400 malformed"},
		{"number with a leading zero", with(`"ttl":010`), "400 malformed"},
		{"number of 1e999", with(`"ttl":1e999`), "422 invalid"},
		{"number of 10,000 digits", with(`"ttl":` + strings.Repeat("9", 10_000)), "422 invalid"},
		{"huge numbers in data", with(`"data":{"n":1e999,"m":` + strings.Repeat("9", 10_000) + `}`), "202"},
		{"33 levels", with(`"data":` + strings.Repeat(`{"a":`, 32) + `1` + strings.Repeat(`}`, 32)), "400 malformed"},
		{"200,000 levels", with(`"data":{"a":` + strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000) + `}`), "400 malformed"},
		{"half a million brackets", strings.Repeat("[", most-1), "400 malformed"},
		{"array", "[" + draft + "]", "422 invalid"},
		{"unknown member", with(`"__proto__":{"all":true}`), "422 invalid"},
		{"member in another case", `{"To":{"users":["absent"]},"type":"t"}`, "422 invalid"},
		{"data that is not an object", with(`"data":[1]`), "422 invalid"},
		{"data of 16 KiB and more", with(`"data":{"a":"` + strings.Repeat("x", 16<<10) + `"}`), "422 invalid"},
		{"url that is a script", with(`"url":"javascript:alert(1)"`), "422 invalid"},
		{"url with a tab that hides a host", with(`"url":"/\t/evil.example"`), "422 invalid"},
		{"url with a backslash that begins a host", with(`"url":"/\\evil.example"`), "422 invalid"},
		{"url of 2,049 characters", with(`"url":"/` + strings.Repeat("a", 2048) + `"`), "422 invalid"},
		{"url of 400 KiB", with(`"url":"/` + strings.Repeat("\u65e5", 130_000) + `"`), "422 invalid"},
		{"action that is a script", with(`"actions":[{"title":"a","url":"data:text/html,x"}]`), "422 invalid"},
		{"100,000 actions", with(`"actions":[` + strings.TrimSuffix(strings.Repeat(`{},`, 100_000), ",") + `]`), "422 invalid"},
		{"no users", to(`{"users":[]}`), "422 invalid"},
		{"users and all", to(`{"users":["absent"],"all":true}`), "422 invalid"},
		{"all, without the scope", to(`{"all":true}`), "403 scope"},
		{"user with a line break", to(`{"users":["ab\nsent"]}`), "422 invalid"},
		{"user with a zero byte", to(`{"users":["ab\u0000sent"]}`), "422 invalid"},
		{"user of 257 bytes", to(`{"users":["` + strings.Repeat("n", 257) + `"]}`), "422 invalid"},
		{"1,001 users", to(`{"users":[` + strings.TrimSuffix(strings.Repeat(`"n",`, 1001), ",") + `]}`), "422 invalid"},
		{"100,000 users", to(`{"users":[` + strings.TrimSuffix(strings.Repeat(`"n",`, 100_000), ",") + `]}`), "422 invalid"},
		{"30,000 unknown members", manyMembers(30_000), "422 invalid"},
		{"512 KiB, mostly white space", draft + strings.Repeat(" ", most-len(draft)), "202"},
		{"one byte more", draft + strings.Repeat(" ", most-len(draft)+1), "413 too-large"},
		{"one byte more, chunked", kind + "Transfer-Encoding: chunked\r\n\r\n" + chunks(draft+strings.Repeat(" ", most-len(draft)+1)) + "0\r\n\r\n", "413 too-large"},
		{"20 MiB, chunked, no end", kind + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat(chunks(strings.Repeat(" ", 1<<20)), 20), "413 too-large"},
		{"4 EiB announced", kind + "Content-Length: 4611686018427387904\r\n\r\n" + strings.Repeat(" ", 9<<20), "413 too-large"},
		{"gzip", kind + "Content-Encoding: gzip\r\n\r\n" + compressed(draft), "415 media-type"},
		{"gzip without Content-Encoding", compressed(draft), "400 malformed"},
		{"gzip bomb", kind + "Content-Encoding: gzip\r\n\r\n" + compressed(strings.Repeat(" ", 8<<20)), "415 media-type"},
		{"unknown coding", kind + "Content-Encoding: br, zstd\r\n\r\n" + draft, "415 media-type"},
		{"no type", "X: x\r\n\r\n" + draft, "415 media-type"},
		{"two types", kind + kind + "\r\n" + draft, "415 media-type"},
		{"form", "Content-Type: application/x-www-form-urlencoded\r\n\r\n" + draft, "415 media-type"},
		{"text/plain, as a form can send it", "Content-Type: text/plain\r\n\r\n" + draft, "415 media-type"},
		{"another charset", "Content-Type: application/json; charset=utf-7\r\n\r\n" + draft, "415 media-type"},
		{"XML", "Content-Type: application/xml\r\n\r\n<!DOCTYPE x [<!ENTITY y SYSTEM \"file:///etc/passwd\">]><x>&y;</x>", "415 media-type"},
	}
}

func chunks(body string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(body), body) }

func compressed(s string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(s)) // cannot fail: b is in memory
	_ = w.Close()
	return b.String()
}

// manyMembers returns a draft with n unknown members.
func manyMembers(n int) string {
	var b strings.Builder
	b.WriteString("{")
	for i := range n {
		fmt.Fprintf(&b, `"a%d":1,`, i)
	}
	return b.String() + `"to":{"users":["absent"]},"type":"t"}`
}
