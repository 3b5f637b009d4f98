package cli_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/config"
)

// readable returns a manual page without escapes.
func readable(page string) string { return strings.ReplaceAll(page, `\-`, "-") }

func TestTheManualHasEveryCommandAndSetting(t *testing.T) {
	page := readable(bellhop(t, nil, "man").stdout)
	help := bellhop(t, nil, "--help").stdout
	commands := regexp.MustCompile(`(?m)^  ([a-z-]+(?: [a-z]+)*)  `).FindAllStringSubmatch(help, -1)
	require.Greater(t, len(commands), 15)
	for _, command := range commands {
		assert.Contains(t, page, "\n.SS \"bellhop "+command[1]+`"`)
	}
	for _, s := range config.Default().Settings() {
		assert.Equal(t, 1, strings.Count(page, "\n.B \""+s.Name+"\"\n"), s.Name)
	}
	assert.Contains(t, page, "\n.B \"--collapse-key=KEY\"\n")
	assert.Contains(t, page, "\n.B \"--[no-]traffic\"\n")
}

// A file of a release must not depend on the time or the place of the build.
func TestTheManualHasTheDateOfTheCommit(t *testing.T) {
	got := bellhop(t, []string{"SOURCE_DATE_EPOCH=1795824000"}, "man")
	got.want(t, 0, `.TH BELLHOP 1 "2026-11-28" "bellhop `)
	assert.Equal(t, got, bellhop(t, []string{"SOURCE_DATE_EPOCH=1795824000"}, "man"))
	bellhop(t, nil, "man").want(t, 0, `.TH BELLHOP 1 "" "bellhop `)
	bellhop(t, []string{"SOURCE_DATE_EPOCH=today"}, "man").want(t, 2, `SOURCE_DATE_EPOCH: "today" is not a number of seconds`)
}

func TestCompletionOfAnInstalledProgram(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		got := bellhop(t, nil, "completion", shell, "--program", "bellhop")
		got.want(t, 0)
		assert.NotContains(t, got.stdout, "/", "the path of this program")
	}
	bellhop(t, nil, "completion", "bash", "--program", "bellhop").want(t, 0, "-C bellhop bellhop\n")
}
