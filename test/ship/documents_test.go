package ship_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// documents compares the links of the packed documents with files: a relative link leads to another
// packed document, and a link to the repository to a file of the released commit.
func documents(t *testing.T, r release) {
	packed := filepath.Dir(binary(t, r, "linux_amd64"))
	names, err := filepath.Glob(filepath.Join(packed, "*.md"))
	require.NoError(t, err)
	require.Len(t, names, 4)
	link := regexp.MustCompile(`\]\(([^)#\s]+)(?:#[^)\s]*)?\)`)
	web := regexp.MustCompile(`^https://github\.com/bellhop/bellhop/(?:blob|raw)/` + r.commit + "/(.+)$")
	relative, absolute := 0, 0
	for _, name := range names {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			file := filepath.Join(packed, m[1])
			switch at := web.FindStringSubmatch(m[1]); {
			case at != nil:
				file = filepath.Join(filepath.Dir(r.dist), at[1])
				absolute++
			case strings.Contains(m[1], "://"):
				continue // the page of another project
			default:
				relative++
			}
			_, err := os.Stat(file)
			assert.NoError(t, err, "%s links to %s", filepath.Base(name), m[1])
		}
	}
	assert.Greater(t, relative, 10)
	assert.Greater(t, absolute, 10)
}
