package auth_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/notify"
)

// TestAPIKeysAreAddedAndRemoved edits files as operators leave them. Everything but the entry stays.
func TestAPIKeysAreAddedAndRemoved(t *testing.T) {
	_, shop, err := auth.NewAPIKey("shop", []notify.Scope{notify.ScopePublish})
	require.NoError(t, err)
	_, ops, err := auth.NewAPIKey("ops", []notify.Scope{notify.ScopePublish, notify.ScopeAdmin})
	require.NoError(t, err)
	unfolded := strings.Replace(shop, "['notify:publish']", "\n    - notify:publish # only that", 1)

	for name, before := range map[string]struct{ without, with string }{
		"another key":    {ops, ops + shop},
		"a remark":       {"# of the office\n\n" + ops, "# of the office\n\n" + ops + shop},
		"no line break":  {strings.TrimSuffix(ops, "\n"), ops + shop},
		"CRLF":           {strings.ReplaceAll(ops, "\n", "\r\n"), strings.ReplaceAll(ops, "\n", "\r\n") + shop},
		"nothing":        {"", shop},
		"an empty list":  {"[]\n", shop},
		"remarks, empty": {"# none yet\n[] # at all\n# the end\n", "# none yet\n# the end\n" + shop},
	} {
		got, err := auth.AddAPIKey([]byte(before.without), shop)
		require.NoError(t, err, name)
		require.Equal(t, before.with, string(got), name)
	}
	for name, c := range map[string]struct{ before, after string }{
		"the last":         {ops + shop, ops},
		"the first":        {shop + ops, ops},
		"the only one":     {"# keys\n" + shop, "# keys\n[]\n"},
		"in other lines":   {unfolded + "\n# of the office\n" + ops, "\n# of the office\n" + ops},
		"without a break":  {ops + strings.TrimSuffix(shop, "\n"), ops},
		"a remark at last": {ops + shop + "# the end\n", ops + "# the end\n"},
	} {
		got, err := auth.RemoveAPIKey([]byte(c.before), "shop")
		require.NoError(t, err, name)
		require.Equal(t, c.after, string(got), name)
	}
}

func TestAPIKeysFilesThatAreNotEdited(t *testing.T) {
	_, shop, err := auth.NewAPIKey("shop", []notify.Scope{notify.ScopePublish})
	require.NoError(t, err)
	for name, c := range map[string]struct{ file, want string }{
		"in brackets":  {"[{name: ops, sha256: " + strings.Repeat("b", 64) + ", scopes: ['notify:publish']}]\n", "with the new entry at its end: "},
		"a name twice": {shop, "the name shop is used twice"},
		"no list":      {"keys: no\n", "must be a list"},
		"a mistake":    {"- name: ops\n  sha256: short\n  scopes: ['notify:publish']\n", "sha256 must be 64"},
	} {
		_, err := auth.AddAPIKey([]byte(c.file), shop)
		require.ErrorContains(t, err, c.want, name)
	}
	_, err = auth.RemoveAPIKey([]byte(shop), "sho")
	require.ErrorIs(t, err, auth.ErrNoAPIKey)
	_, err = auth.RemoveAPIKey([]byte("keys: no\n"), "shop")
	require.ErrorContains(t, err, "must be a list")
	hash := strings.Repeat("a", 64)
	for _, file := range []string{
		"[{name: ops, sha256: " + strings.Repeat("b", 64) + ", scopes: ['notify:publish']}, {name: shop, sha256: " + hash + ", scopes: ['notify:publish']}]\n",
		"-\n  name: shop\n  sha256: " + hash + "\n  scopes: ['notify:publish']\n",
	} {
		_, err = auth.RemoveAPIKey([]byte(file), "shop")
		require.ErrorContains(t, err, "with an editor")
	}
}
