package cluster

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// Of the invented version of bellhop.
const (
	newerRules = notify.RulesVersion + 1
	newerKind  = 200 // of its entries
)

// edit is a change of a file of this version.
type edit struct{ file, old, new string }

// newer are the changes that make the next version of bellhop: it has later rules, and with
// them a kind of entry, Label, which changes the state: its text counts among the receipts. The holder of the lease appends one each second while these rules are in force. As
// rules.go demands, a Label changes nothing before.
func newer() []edit {
	return []edit{
		{"internal/notify/entry.go", "const RulesVersion = 1", "const RulesVersion = 2\n\n// Label is the new kind.\ntype Label struct{ Text string }\n\nfunc (Label) entry() {}"},
		{"internal/notify/validate.go", "	case Release, ", "	case Label:\n		return \"\"\n	case Release, "},
		{"internal/entry/entry.go", "	case notify.Unknown:", "	case notify.Label:\n		return pack.AppendString(append(dst, 200, version), e.Text)\n	case notify.Unknown:"},
		{"internal/entry/entry.go", "	switch kind {", "	switch kind {\n	case 200:\n		return notify.Label{Text: r.String()}"},
		{"internal/store/apply.go", "	case notify.Redemption:", "	case notify.Label:\n		if tx.state.rules < 2 {\n" +
			"			v.Err = fmt.Errorf(\"%w: a label before its rules\", notify.ErrNotApplied)\n			return v, nil\n		}\n" +
			"		tx.chargeBytes(contentReceipts, uint64(len(e.Text)))\n	case notify.Redemption:"},
		{"internal/service/upkeep.go", "			if err := s.raiseRules(ctx)", "			if s.opts.Store.Rules() >= 2 {\n" +
			"				s.opts.Journal.Append(ctx, notify.Label{Text: \"new\"})\n			}\n			if err := s.raiseRules(ctx)"},
		{"internal/peers/rules.go", "const rulesAfter = time.Minute", "const rulesAfter = 20 * time.Second // the test does not wait for longer"},
	}
}

// buildNewer builds the next version from the files of this one.
func buildNewer(t *testing.T) (program string) {
	t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	dir := t.TempDir()
	var overlay struct{ Replace map[string]string }
	overlay.Replace = map[string]string{}
	for _, e := range newer() {
		file := filepath.Join(root, e.file)
		edited, begun := overlay.Replace[file]
		if !begun {
			edited = filepath.Join(dir, strings.ReplaceAll(e.file, "/", "-"))
			overlay.Replace[file] = edited
			copyFile(t, file, edited)
		}
		text, err := os.ReadFile(edited)
		require.NoError(t, err)
		require.Equal(t, 1, strings.Count(string(text), e.old), "%s must contain %q once", e.file, e.old)
		require.NoError(t, os.WriteFile(edited, []byte(strings.Replace(string(text), e.old, e.new, 1)), 0o600))
	}
	list, err := json.Marshal(overlay)
	require.NoError(t, err)
	overlayFile := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(overlayFile, list, 0o600))
	program = filepath.Join(dir, "bellhop")
	out, err := exec.Command("go", "build", "-overlay", overlayFile, "-o", program, "../../cmd/bellhop").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, b, 0o600))
}
