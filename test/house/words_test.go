package house

import (
	"go/scanner"
	"go/token"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// plainWord is an expression that readers had to read twice, and the words to use instead.
type plainWord struct {
	pattern *regexp.Regexp
	instead string
	except  []string // files with older texts; remove an entry when its file is rewritten
}

// plainWords is short on purpose. A new entry needs a replacement that fits every use, and
// must not forbid an ordinary meaning: "door" and "room" are fine for a door and a room.
var plainWords = []plainWord{
	{pattern: word(`lest`), instead: "so that … not"},
	{pattern: word(`sees? to it`), instead: "ensure"},
	{pattern: word(`makes? sure of`), instead: "check, or ensure"},
	{pattern: word(`mend(s|ed|ing)?`), instead: "repair, fix or format"},
	{pattern: word(`for ever`), instead: "forever, or without a limit", except: []string{
		"test/natsserver/natsserver.go",
	}},
	{pattern: word(`anew`), instead: "again, or a new …", except: []string{
		"internal/app/replica.go",
		"internal/app/replica_internal_test.go",
		"internal/journal/cluster_follow.go",
		"internal/journal/recover.go",
	}},
	{pattern: word(`whoever`), instead: "a noun: the caller, the client, the user", except: []string{
		".golangci.yml",
	}},
	{pattern: word(`(is|are|was|were) told`), instead: "receives, or is notified of"},
	{pattern: word(`patience`), instead: "timeout"},
	{pattern: regexp.MustCompile(`^(//|#) What [a-z]`), instead: `the noun: "Metrics that the tool reads", not "What the tool reads"`, except: []string{
		".golangci.yml",
		"internal/journal/local_bench_test.go",
	}},
	{pattern: regexp.MustCompile(`^(//|#) Who(ever|se)? [a-z]`), instead: `the noun: "A client that …", not "Who …"`},
}

// word matches an expression in any case as whole words.
func word(expression string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)\b(` + expression + `)\b`)
}

// TestPlainWords refuses expressions of plainWords in comments, strings and documents.
// Identifiers of Go are not searched.
func TestPlainWords(t *testing.T) {
	searched := 0
	for _, name := range files(t) {
		lines := prose(name, read(t, name))
		searched += len(lines)
		for _, w := range plainWords {
			if slices.Contains(w.except, name) {
				continue
			}
			for _, line := range lines {
				if found := w.pattern.FindString(line); found != "" {
					t.Errorf("%s: replace %q by %s, in: %.120s", name, found, w.instead, line)
				}
			}
		}
	}
	if searched < 1000 {
		t.Errorf("only %d lines were searched", searched)
	}
}

// prose returns the lines of a file that people read: the comments and strings of a Go file,
// and all lines of documents, scripts and pages. Files of others have none: vendored files,
// locks, and this list of words.
func prose(name string, content []byte) (lines []string) {
	switch {
	case name == "test/house/words_test.go", strings.Contains(name, "/vendor/"), strings.HasSuffix(name, "package-lock.json"):
		return nil
	case path.Ext(name) == ".go":
		return goProse(content)
	case slices.Contains([]string{".md", ".yaml", ".yml", ".ts", ".mjs", ".sh", ".html"}, path.Ext(name)),
		strings.HasPrefix(name, ".ci/"), path.Dir(name) == "test" && path.Ext(name) == "":
		for line := range strings.Lines(string(content)) {
			line = strings.TrimSpace(line)
			if path.Ext(name) == ".md" {
				line = strings.TrimLeft(line, "# ") // a heading is no comment
			}
			lines = append(lines, line)
		}
	}
	return lines
}

// goProse returns the lines of comments and strings.
func goProse(source []byte) (lines []string) {
	var s scanner.Scanner
	set := token.NewFileSet()
	s.Init(set.AddFile("", set.Base(), len(source)), source, nil, scanner.ScanComments)
	for {
		_, kind, text := s.Scan()
		if kind == token.EOF {
			return lines
		}
		if kind == token.COMMENT || kind == token.STRING {
			lines = append(lines, strings.Split(text, "\n")...)
		}
	}
}

func TestProseOfGoIsCommentsAndStrings(t *testing.T) {
	got := goProse([]byte("package lest\n\n// A comment.\nvar anew = \"a string\"\n"))
	if want := []string{"// A comment.", `"a string"`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
