package notify_test

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bellhop/bellhop/internal/notify"
)

// FuzzParseKey checks that a key is either refused as malformed, or returned as it was sent: 1 to
// 255 printable ASCII characters, with the same result bare and quoted.
func FuzzParseKey(f *testing.F) {
	for _, s := range []string{
		"", "k", `"k"`, `"`, `""`, `"""`, `"k`, `k"`, " ", "a b", "a\nb", "a\x00b", "ä", "\xff", "~", "\x7f",
		"8e03978e-40d5-43e8-bc93-6894a57f9324", strings.Repeat("k", 255), strings.Repeat("k", 256),
		`"` + strings.Repeat("k", 255) + `"`, `"` + strings.Repeat("k", 256) + `"`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		key, err := notify.ParseKey(sent)
		if err != nil {
			if key != "" || !errors.Is(err, notify.ErrMalformed) || !utf8.ValidString(err.Error()) {
				t.Fatalf("%q, %v", key, err)
			}
			return
		}
		if key != sent && `"`+key+`"` != sent {
			t.Fatalf("%q is read as %q", sent, key)
		}
		if len(key) < 1 || len(key) > 255 || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("%q is accepted", key)
		}
		if again, err := notify.ParseKey(`"` + key + `"`); again != key || err != nil {
			t.Fatalf("quoted, %q is read as %q, %v", key, again, err)
		}
	})
}
