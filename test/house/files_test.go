package house

import (
	"bytes"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// longest is the number of lines that a Go file must not reach, so that it has one idea.
const longest = 400

// top is the repository's top directory.
func top(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// files returns the paths of all files that are committed or could be, relative to the top,
// with slashes.
func files(t *testing.T) []string {
	t.Helper()
	git := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	git.Dir = top(t)
	out, err := git.Output()
	if err != nil {
		t.Fatalf("list the files of the repository: %v", err)
	}
	var list []string
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		info, err := os.Lstat(filepath.Join(top(t), name))
		if err == nil && info.Mode().IsRegular() { // else deleted but not yet committed, or a link
			list = append(list, name)
		}
	}
	if len(list) == 0 {
		t.Fatal("the repository has no files")
	}
	return list
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(top(t), name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// TestFilesAreShort keeps a Go file to one idea.
func TestFilesAreShort(t *testing.T) {
	generated := regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)
	for _, name := range files(t) {
		if path.Ext(name) != ".go" {
			continue
		}
		content := read(t, name)
		if lines := bytes.Count(content, []byte("\n")); lines >= longest && !generated.Match(content) {
			t.Errorf("%s has %d lines, of fewer than %d: split it by idea", name, lines, longest)
		}
	}
}

// TestNoTestSleeps refuses a test that waits for real time to pass. In a bubble of
// testing/synctest a sleep takes no real time, so a file that uses synctest may sleep.
func TestNoTestSleeps(t *testing.T) {
	sleep := []byte("time." + "Sleep(")
	for _, name := range files(t) {
		if !strings.HasSuffix(name, "_test.go") {
			continue
		}
		content := read(t, name)
		if bytes.Contains(content, sleep) && !bytes.Contains(content, []byte(`"testing/synctest"`)) {
			t.Errorf("%s sleeps: wait for an event, or use testing/synctest", name)
		}
	}
}

// traces are patterns of names that exist only on the machine of an author.
var traces = []struct {
	what    string
	pattern *regexp.Regexp
}{
	{"the path of a machine", regexp.MustCompile(`(?m)(^|[\s"'=(:,` + "`" + `])/(work|root|home|Users)/[\w.]`)},
	{"the host of a package registry", regexp.MustCompile(`\b(registry|proxy|sum|deb|security)\.(npmjs|yarnpkg|golang|debian)\.(org|com)\b`)},
}

// TestNoTraceOfAMachine refuses files that name a package registry, or a path
// of the machine on which they were written.
func TestNoTraceOfAMachine(t *testing.T) {
	for _, name := range files(t) {
		content := read(t, name)
		if bytes.IndexByte(content, 0) >= 0 {
			continue // not text
		}
		for _, trace := range traces {
			if found := trace.pattern.Find(content); found != nil {
				t.Errorf("%s names %s: %q", name, trace.what, bytes.TrimSpace(found))
			}
		}
	}
}

func TestTracesAreFound(t *testing.T) {
	tests := map[string]bool{
		"cd /" + "work/main":                true,
		`"path": "/` + `home/ada/bellhop"`:  true,
		"https://registry." + "npmjs.org/x": true,
		"https://example.com/home/ada":      false,
		"/data/store":                       false,
		"a registry of names, a proxy":      false,
	}
	for text, want := range tests {
		got := false
		for _, trace := range traces {
			got = got || trace.pattern.MatchString(text)
		}
		if got != want {
			t.Errorf("a trace in %q: %v, want %v", text, got, want)
		}
	}
}
