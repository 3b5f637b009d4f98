package house

import (
	"regexp"
	"strings"
	"testing"
)

// TestThreatsHaveTests refuses a threat in SECURITY.md without a test that shows the
// protection against it, and a threat whose test does not exist.
func TestThreatsHaveTests(t *testing.T) {
	defined := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	for _, name := range files(t) {
		if strings.HasSuffix(name, "_test.go") {
			for _, found := range function.FindAllSubmatch(read(t, name), -1) {
				defined[string(found[1])] = true
			}
		}
	}
	named := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`")
	threats := 0
	for line := range strings.Lines(string(read(t, ".github/SECURITY.md"))) {
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if len(cells) != 3 || cells[0] == "| threat" || cells[0] == "| capability" {
			continue
		}
		threats++
		tests := named.FindAllStringSubmatch(cells[2], -1)
		if len(tests) == 0 {
			t.Errorf("nothing shows what is done about: %s", strings.TrimPrefix(cells[0], "| "))
		}
		for _, test := range tests {
			if !defined[test[1]] {
				t.Errorf("SECURITY.md names %s, which does not exist", test[1])
			}
		}
	}
	if threats == 0 {
		t.Error("SECURITY.md has no table of threats")
	}
}
