//go:build linux

package guide

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each metric that the guide names or that a command asks for exists, whether or not the command finds others.
func TestMetricsOfTheGuideExist(t *testing.T) {
	reference, err := os.ReadFile("../../cmd/bellhop/metrics.md")
	require.NoError(t, err)
	var names []string
	for _, found := range regexp.MustCompile("(?m)^\\| `(bellhop_\\w+)` \\|").FindAllSubmatch(reference, -1) {
		names = append(names, string(found[1]))
	}
	require.Greater(t, len(names), 50)
	names = append(names, "process_open_fds", "process_max_fds", "process_resident_memory_bytes") // BellhopConnectionsNearLimit shows them
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	for _, command := range regexp.MustCompile(`(?m)^ *bellhop metrics ([\w ]+)`).FindAllSubmatch(text, -1) {
		for part := range strings.FieldsSeq(string(command[1])) {
			assert.True(t, slices.ContainsFunc(names, func(name string) bool { return strings.Contains(name, part) }), "bellhop metrics %s finds nothing", part)
		}
	}
	for _, found := range regexp.MustCompile("`(bellhop_[a-z_]+[a-z])[`{]").FindAllSubmatch(text, -1) {
		assert.Contains(t, names, string(found[1]))
	}
}

// Each text that the guide says is in the log, and each that a command searches there, is in the source.
func TestLogTextsOfTheGuideExist(t *testing.T) {
	var source strings.Builder
	require.NoError(t, filepath.WalkDir("../../internal", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		source.Write(b)
		return err
	}))
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	var texts []string
	for _, pattern := range []string{
		"(?:log|node)(?: then)?\\s(?:has|says|logs)\\s`([a-z]\\w*[ :;][^`…]+)`", "messages?\\s(?:is\\s)?`([^`]+)`", "or `(request failed)`",
		`grep (?:-\w+ )?'"msg":"([^']+)"'`, `grep '([a-z][a-z ]+)'`, ` -e '([a-z][a-z ]+)'`, `grep '"([a-z][a-z ]+)"'; do`, `"problem":"([a-z-]+)"`,
	} {
		found := regexp.MustCompile(pattern).FindAllStringSubmatch(string(text), -1)
		assert.NotEmpty(t, found, "%s finds nothing in the guide", pattern)
		for _, f := range found {
			texts = append(texts, strings.Join(strings.Fields(f[1]), " "))
		}
	}
	for _, s := range texts {
		assert.True(t, strings.Contains(source.String(), s), "no source has %q", s)
	}
}
