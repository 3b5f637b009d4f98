package config_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/bellhop/bellhop/internal/config"
)

var update = flag.Bool("update", false, "write the table of settings into the README")

// The table in README.md must equal that of the code. -update writes it.
func TestReadmeListsSettings(t *testing.T) {
	const path, open, shut = "../../README.md", "<!-- settings -->\n", "<!-- /settings -->"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), open)
	table, after, closed := strings.Cut(rest, shut)
	if !found || !closed {
		t.Fatalf("README.md must have a line %q and, below it, a line %q", strings.TrimSpace(open), shut)
	}
	if table == config.Markdown() {
		return
	}
	if !*update {
		t.Fatal("the table of settings in README.md is outdated: run go test ./internal/config -update")
	}
	if err := os.WriteFile(path, []byte(before+open+config.Markdown()+shut+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
