//go:build linux

package main

import (
	"fmt"
	"os"
	"strings"
)

// readme is the file with the tables, relative to the top of the repository.
const readme = "test/load/README.md"

// write replaces the text between the markers of a section of a file.
func write(file, section, text string) error {
	before, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the file with the tables: %w", err)
	}
	after, err := between(string(before), section, text)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if err := os.WriteFile(file, []byte(after), 0o644); err != nil {
		return fmt.Errorf("write the tables: %w", err)
	}
	return nil
}

// between returns page with text between the markers of section.
func between(page, section, text string) (string, error) {
	start, end := "<!-- "+section+" -->\n", "<!-- end of "+section+" -->"
	head, rest, found := strings.Cut(page, start)
	if !found {
		return "", fmt.Errorf("the line %q is missing", strings.TrimSpace(start))
	}
	_, tail, found := strings.Cut(rest, end)
	if !found {
		return "", fmt.Errorf("the line %q is missing", end)
	}
	return head + start + "\n" + strings.TrimSpace(text) + "\n\n" + end + tail, nil
}
