package house

import (
	"path"
	"regexp"
	"strings"
	"testing"
)

// The problems unavailable and token-invalid have several causes, of which operators must see the right one: an error
// of these kinds has its cause.
func TestRefusalsHaveACause(t *testing.T) {
	lacking := regexp.MustCompile(`Errorf\(notify\.(?:ErrUnavailable|ErrTokenInvalid),|Kind: +notify\.(?:ErrUnavailable|ErrTokenInvalid), [^C]`)
	having := regexp.MustCompile(`notify\.(?:Unavailable|TokenInvalid)\(|Kind: +notify\.(?:ErrUnavailable|ErrTokenInvalid), Cause`)
	found := 0
	for _, name := range files(t) {
		if !strings.HasPrefix(name, "internal/") || path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") {
			continue
		}
		text := string(read(t, name))
		found += len(having.FindAllString(text, -1))
		for _, match := range lacking.FindAllString(text, -1) {
			t.Errorf("%s has an error without a cause, %q: use notify.Unavailable or notify.TokenInvalid", name, match)
		}
	}
	if found < 50 {
		t.Errorf("%d refusals with a cause are too few: does the test still find them?", found)
	}
}

// TestTheGuideExplainsEachCause compares the causes in the code with the table of the operating guide.
func TestTheGuideExplainsEachCause(t *testing.T) {
	_, table, found := strings.Cut(string(read(t, "cmd/bellhop/README.md")), "\n| problem | cause | meaning, and what to do |\n|---|---|---|\n")
	if !found {
		t.Fatal("the operating guide has no table of causes")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	listed := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(unavailable|token-invalid)` \\| `([^`]+)` \\| .").FindAllStringSubmatch(table, -1) {
		listed[row[1]+" "+row[2]] = true
	}
	problem, defined := "", 0
	for line := range strings.Lines(string(read(t, "internal/notify/cause.go"))) {
		if strings.HasPrefix(line, "// The causes of ErrUnavailable") {
			problem = "unavailable"
		}
		if strings.HasPrefix(line, "// The causes of ErrTokenInvalid") {
			problem = "token-invalid"
		}
		cause := regexp.MustCompile(`^\tCause\w+ +Cause = "([^"]+)"`).FindStringSubmatch(line)
		if cause == nil {
			continue
		}
		defined++
		if key := problem + " " + cause[1]; !listed[key] {
			t.Errorf("the table of causes in the operating guide lacks %s", key)
		}
	}
	if defined != len(listed) || defined < 20 {
		t.Errorf("the code has %d causes, and the operating guide lists %d", defined, len(listed))
	}
}
