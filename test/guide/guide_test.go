//go:build linux

// Package guide runs the commands of the operating guide, exactly as they are written, and checks
// their effect: a test for each section that has a shell block. The machines are directories, and
// systemctl and journalctl are replaced, because there is no systemd; everything else is real:
// processes of bellhop and NATS, files and small disks.
package guide

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const page = "../../cmd/bellhop/README.md"

// section is a part of the guide from a heading to the next one.
type section struct {
	name   string
	blocks []block
	ran    []bool
}

// block is a shell block.
type block struct {
	text   string
	line   int    // of its first line of text
	reason string // why no test can run it; empty: one does
}

var (
	heading = regexp.MustCompile(`^##+ (.*)$`)
	excuse  = regexp.MustCompile(`^<!-- not run by a test: (.+) -->$`)
)

// sections returns the sections of a text that have shell blocks.
func sections(text string) (all []*section, err error) {
	var at *section
	var in *block
	var fence, before string
	for n, line := range strings.Split(text, "\n") {
		switch h := heading.FindStringSubmatch(line); {
		case fence != "":
			if line == "```" {
				if in != nil {
					at.blocks = append(at.blocks, *in)
				}
				fence, in = "", nil
			} else if in != nil {
				in.text += line + "\n"
			}
		case h != nil:
			at = &section{name: h[1]}
			all = append(all, at)
		case strings.HasPrefix(line, "```"):
			fence = line
			if language := strings.TrimPrefix(line, "```"); slices.Contains([]string{"sh", "bash", "shell", "console"}, language) {
				in = &block{line: n + 2} //nolint:mnd // from 1, after the fence
				if e := excuse.FindStringSubmatch(before); e != nil {
					in.reason = e[1]
				}
			}
		}
		before = line
	}
	if fence != "" {
		return nil, fmt.Errorf("the block %s has no end", fence)
	}
	all = slices.DeleteFunc(all, func(s *section) bool { return len(s.blocks) == 0 })
	for i, s := range all {
		s.ran = make([]bool, len(s.blocks))
		if slices.ContainsFunc(all[:i], func(o *section) bool { return o.name == s.name }) {
			return nil, fmt.Errorf("two sections with shell blocks are named %q", s.name)
		}
	}
	return all, nil
}

func readGuide(t *testing.T) []*section {
	t.Helper()
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	all, err := sections(string(text))
	require.NoError(t, err)
	return all
}

// The blocks that a test must run are found, and those that it need not.
func TestShellBlocksAreFound(t *testing.T) {
	got, err := sections("# Guide\n\n## One\n\n```sh\na\nb\n```\n\n```yaml\n# c\n```\n\n### Two\n\n" +
		"<!-- not run by a test: needs Kubernetes -->\n```sh\nkubectl\n```\ntext\n```bash\n# not a heading\n```\n## Three\n")
	require.NoError(t, err)
	require.Len(t, got, 2)
	require.Equal(t, "One", got[0].name)
	require.Equal(t, []block{{text: "a\nb\n", line: 6}}, got[0].blocks)
	require.Equal(t, []block{{"kubectl\n", 18, "needs Kubernetes"}, {text: "# not a heading\n", line: 22}}, got[1].blocks)
	_, err = sections("## One\n```sh\na\n")
	require.ErrorContains(t, err, "no end")
	_, err = sections("## One\n```sh\na\n```\n## One\n```sh\na\n```\n")
	require.ErrorContains(t, err, "two sections")
}
