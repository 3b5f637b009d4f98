package auth_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
)

// newKey returns an API key and its entry.
func newKey(t testing.TB, name string, scopes ...notify.Scope) (key, entry string) {
	t.Helper()
	key, entry, err := auth.NewAPIKey(name, scopes)
	require.NoError(t, err)
	return key, entry
}

func withKeys(t testing.TB, entries ...string) auth.Options {
	t.Helper()
	return auth.Options{Secrets: [][]byte{secret()}, APIKeysFile: write(t, "keys.yaml", []byte(strings.Join(entries, "")))}
}

func TestAPIKeys(t *testing.T) {
	billing, first := newKey(t, "billing", notify.ScopePublish)
	ops, second := newKey(t, "null", notify.ScopeAdmin, notify.ScopeBroadcast) // YAML reads a plain null as no value
	stranger, _ := newKey(t, "billing", notify.ScopePublish)
	v := start(t, withKeys(t, first, second))

	p, err := v.Verify(t.Context(), billing)
	require.NoError(t, err)
	require.Equal(t, notify.Principal{Name: "key:billing", Scopes: []notify.Scope{notify.ScopePublish}}, p)
	p, err = v.Verify(t.Context(), ops)
	require.NoError(t, err)
	require.Equal(t, notify.Principal{Name: "key:null", Scopes: []notify.Scope{notify.ScopeAdmin, notify.ScopeBroadcast}}, p)

	hash := sha256.Sum256([]byte(billing))
	last := billing[:len(billing)-1]
	refused := map[string]string{
		"a stranger's":        stranger,
		"its hash":            hex.EncodeToString(hash[:]),
		"its hash, as a key":  "bhk_" + hex.EncodeToString(hash[:]),
		"cut":                 last,
		"longer":              billing + "0",
		"a character wrong":   last + string(billing[len(billing)-1]^1),
		"another prefix":      "BHK_" + billing[4:],
		"no prefix":           billing[4:],
		"the prefix alone":    "bhk_",
		"not base 62":         billing[:9] + "-" + billing[10:],
		"not ASCII":           billing[:9] + "é" + billing[11:],
		"a line end":          billing + "\n",
		"far too long":        "bhk_" + strings.Repeat("x", 1<<20),
		"two, after another":  billing + ops,
		"a JWT that is a key": "bhk_" + seal(header, claimsWith(``)),
	}
	for name, key := range refused {
		t.Run(name, func(t *testing.T) {
			p, err := v.Verify(t.Context(), key)
			requireKind(t, notify.ErrTokenInvalid, err, strings.ReplaceAll(key, "bhk_", "."))
			require.Zero(t, p)
		})
	}
	t.Run("no file", func(t *testing.T) {
		_, err := start(t, auth.Options{Secrets: [][]byte{secret()}}).Verify(t.Context(), billing)
		requireKind(t, notify.ErrTokenInvalid, err, billing)
	})
	t.Run("revoked", func(t *testing.T) {
		o := withKeys(t, first)
		o.Revoked = func(p notify.Principal) bool { return p.Name == "key:billing" }
		_, err := start(t, o).Verify(t.Context(), billing)
		requireKind(t, notify.ErrTokenRevoked, err, billing)
	})
}

func TestAPIKeysAreReadAgain(t *testing.T) {
	one, first := newKey(t, "one", notify.ScopePublish)
	two, second := newKey(t, "two", notify.ScopePublish)
	o := withKeys(t, first)
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		v := start(t, o)
		verify := func(key string) error {
			t.Helper()
			time.Sleep(3 * time.Second)
			synctest.Wait()
			_, err := v.Verify(t.Context(), key)
			return err
		}
		change := func(text string) { require.NoError(t, os.WriteFile(o.APIKeysFile, []byte(text), 0o600)) }

		require.NoError(t, verify(one))
		require.ErrorIs(t, verify(two), notify.ErrTokenInvalid)
		change(first + second)
		require.NoError(t, verify(two))
		change(second)
		require.ErrorIs(t, verify(one), notify.ErrTokenInvalid, "a removed key is refused although it was verified before")
		require.NoError(t, verify(two))

		for _, broken := range []string{"", first + "  x: y\n", strings.Replace(first, "sha256: ", "sha256: "+one+"#", 1)} {
			change(broken)
			require.NoError(t, verify(two), "a file with a mistake leaves the loaded keys in use")
			require.ErrorIs(t, verify(one), notify.ErrTokenInvalid)
		}
		require.NoError(t, os.Remove(o.APIKeysFile))
		require.NoError(t, verify(two))
		change("[] # none\n")
		require.ErrorIs(t, verify(two), notify.ErrTokenInvalid)

		require.Contains(t, log.String(), "keys.yaml")
		for _, key := range []string{one, two} {
			require.NotContains(t, log.String(), key[4:])
		}
	})
}

func TestAPIKeysFileReportsMistakes(t *testing.T) {
	key, entry := newKey(t, "billing", notify.ScopePublish)
	with := func(old, now string) string {
		require.Contains(t, entry, old)
		return strings.Replace(entry, old, now, 1)
	}
	hash := sha256.Sum256([]byte(key))
	digits := hex.EncodeToString(hash[:])
	tests := map[string]struct {
		file string
		want []string
	}{
		"the key itself":    {with(digits, key), []string{"line 2", "the key itself"}},
		"the hash cut":      {with(digits, digits[1:]), []string{"64 hexadecimal digits"}},
		"a hash of another": {with(digits, digits+digits), []string{"64 hexadecimal digits"}},
		"no digits":         {with(digits, strings.Repeat("g", 64)), []string{"64 hexadecimal digits"}},
		"no name":           {with("name: 'billing'", "sha256: x"), []string{"no name", "line 2: \"sha256\" is set twice"}},
		"an empty name":     {with("'billing'", "''"), []string{"name must be plain text"}},
		"a long name":       {with("billing", strings.Repeat("b", 65)), []string{"1 to 64"}},
		"a name with space": {with("billing", "b b"), []string{"1 to 64"}},
		"a name not ASCII":  {with("billing", "bücher"), []string{"1 to 64"}},
		"a list for a name": {with("'billing'", "[billing]"), []string{"name must be plain text"}},
		"an unknown scope":  {with("notify:publish", "notify:"+key), []string{"line 3", "scope 1 is not one of"}},
		"a scope twice":     {with("'notify:publish'", "notify:publish, notify:publish"), []string{"scope 2 is listed twice"}},
		"no scope":          {with("'notify:publish'", ""), []string{"scopes must be a list"}},
		"scopes as text":    {with("['notify:publish']", "notify:publish"), []string{"scopes must be a list"}},
		"a name twice":      {entry + strings.Replace(entry, digits, strings.Repeat("0", 64), 1), []string{"line 4", "billing is used twice"}},
		"a key twice":       {entry + strings.Replace(entry, "billing", "other", 1), []string{"line 4", "the key is listed twice"}},
		"several mistakes":  {with(digits, "x") + "- 7\n- {}\n", []string{"line 2", "line 4", "line 5"}},
		"too large":         {strings.Repeat("#", 1<<20+1), []string{"1048576"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := withKeys(t, test.file)
			_, err := auth.New(t.Context(), o)
			require.ErrorContains(t, err, o.APIKeysFile)
			for _, want := range test.want {
				assert.ErrorContains(t, err, want)
			}
			assert.NotContains(t, err.Error(), key[4:])
		})
	}
}

func TestNewAPIKey(t *testing.T) {
	key, entry := newKey(t, "billing", notify.ScopePublish, notify.ScopeAdmin)
	hash := sha256.Sum256([]byte(key))
	require.Regexp(t, `^bhk_[0-9A-Za-z]{49}$`, key)
	require.Equal(t, fmt.Sprintf("- name: 'billing'\n  sha256: %x\n  scopes: ['notify:publish', 'notify:admin']\n", hash), entry)
	seen := map[string]bool{}
	for range 1_000 { // some have zeros in front
		key, _ := newKey(t, "x", notify.ScopePublish)
		require.Len(t, key, 53)
		require.False(t, seen[key])
		seen[key] = true
	}
	for name, scopes := range map[string][]notify.Scope{
		"":                      {notify.ScopePublish},
		"a b":                   {notify.ScopePublish},
		strings.Repeat("a", 65): {notify.ScopePublish},
		"none":                  nil,
		"unknown":               {"root"},
		"twice":                 {notify.ScopePublish, notify.ScopePublish},
	} {
		_, _, err := auth.NewAPIKey(name, scopes)
		require.Error(t, err, name)
	}
}
