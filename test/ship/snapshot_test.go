// Package ship_test makes a release as goreleaser does, without publishing it, and tests its files:
// archives, packages, lists of parts and checksums. The package for Debian is installed,
// started, upgraded and removed on a Debian of its own.
//
// By default the release has each system and each processor, but not all pairs of them, and only the
// program for Linux on amd64 is compiled twice, because a platform takes most of a minute on two
// cores. With -full, which the workflow of a release runs, all programs are compiled twice.
package ship_test

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var full = flag.Bool("full", false, "release for all platforms, and compile all of them again")

// The version of the commit that is released, the repository that its files name, and its licence.
const (
	tag     = "v1.2.3"
	origin  = "https://github.com/bellhop/bellhop.git"
	licence = "The licence of a test."
)

// release is what goreleaser has made.
type release struct {
	dist    string // its files
	version string // without v
	commit  string
}

// platforms are those of the release.
func platforms() []string {
	if *full {
		return []string{"linux_amd64", "linux_arm64", "darwin_amd64", "darwin_arm64", "windows_amd64", "windows_arm64"}
	}
	return []string{"linux_amd64", "linux_arm64", "darwin_arm64", "windows_amd64"}
}

// file returns the path of the file of the release for a platform.
func (r release) file(platform, suffix string) string {
	return filepath.Join(r.dist, "bellhop_"+r.version+"_"+platform+suffix)
}

// snapshot makes a release of the files of the repository as they are now, uncommitted
// changes included, in a repository of its own with one commit.
func snapshot(t *testing.T) release {
	t.Helper()
	if runtime.GOOS+runtime.GOARCH != "linuxamd64" {
		t.Fatal("missing: Linux on amd64")
	}
	top := tree(t)
	// The owner chooses a licence before the first release.
	require.NoError(t, os.WriteFile(filepath.Join(top, "LICENSE"), []byte(licence+"\n"), 0o644))
	if !*full {
		targets(t, top, platforms()...)
	}
	git := func(args ...string) {
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = top
		cmd.Env = append(os.Environ(),
			"GIT_AUTHOR_NAME=test", "GIT_AUTHOR_EMAIL=test@example.com", "GIT_AUTHOR_DATE=2026-11-28T12:00:00Z",
			"GIT_COMMITTER_NAME=test", "GIT_COMMITTER_EMAIL=test@example.com", "GIT_COMMITTER_DATE=2026-11-28T12:00:00Z",
			"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "git %q: %s", args, out)
	}
	git("init", "--quiet", "--initial-branch=main")
	git("remote", "add", "origin", origin)
	git("add", "--all")
	git("commit", "--quiet", "--message=release")
	git("tag", tag)
	return build(t, top, nil)
}

// targets sets the platforms of the release that goreleaser makes in top.
func targets(t *testing.T, top string, platforms ...string) {
	t.Helper()
	file := filepath.Join(top, ".goreleaser.yaml")
	only(t, file, "    goos: [linux, darwin, windows]\n    goarch: [amd64, arm64]\n",
		"    targets: ["+strings.Join(platforms, ", ")+"]\n")
}

// again makes the release of the same commit in another directory, even if the files of the repository
// have changed meanwhile, in another environment, and without what the first one has compiled.
func again(t *testing.T, first release) release {
	t.Helper()
	top := filepath.Join(t.TempDir(), "elsewhere")
	masked := []string{"sh", "-c", `umask 027 && exec "$@"`, "sh"}
	output(t, "", append(masked, "git", "clone", "--quiet", "--no-hardlinks", filepath.Dir(first.dist), top)...)
	output(t, top, "git", "remote", "set-url", "origin", origin)
	if !*full {
		file := filepath.Join(top, ".goreleaser.yaml")
		only(t, file, "targets: ["+strings.Join(platforms(), ", ")+"]", "targets: [linux_amd64]")
	}
	// The tools, which go into no file, are from the usual cache.
	only(t, filepath.Join(top, ".goreleaser.yaml"), "env: [CGO_ENABLED=0]", `env: [CGO_ENABLED=0, "GOCACHE=`+t.TempDir()+`"]`)
	return build(t, top, masked, "TZ=Asia/Kathmandu")
}

// build makes a release of the commit of the repository in top. The command of it begins with prefix.
func build(t *testing.T, top string, prefix []string, env ...string) release {
	t.Helper()
	// This builds it, and may print downloads to its standard error.
	goreleaser, err := exec.CommandContext(t.Context(), "go", "tool", "-n", "goreleaser").Output()
	require.NoError(t, err)
	command := append(slices.Clone(prefix), strings.TrimSpace(string(goreleaser)), "release", "--snapshot", "--clean")
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir = top
	cmd.Env = append(append(os.Environ(), "GOFLAGS=-mod=readonly"), env...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	for line := range strings.Lines(output(t, top, "git", "status", "--porcelain")) {
		require.Equal(t, "M .goreleaser.yaml", strings.TrimSpace(line), "the release leaves a file that is not ignored")
	}
	return release{
		dist:   filepath.Join(top, "dist"),
		commit: output(t, top, "git", "rev-parse", "HEAD"),
		// The snapshot of a tag has the next version and the commit in its name.
		version: "1.2.4-snapshot." + output(t, top, "git", "rev-parse", "--short", "HEAD"),
	}
}

// tree copies the files of the repository and returns the directory of the copy.
func tree(t *testing.T) string {
	t.Helper()
	from, to := filepath.Join("..", ".."), filepath.Join(t.TempDir(), "bellhop")
	names := output(t, from, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate")
	for name := range strings.SplitSeq(strings.TrimRight(names, "\x00"), "\x00") {
		info, err := os.Lstat(filepath.Join(from, name))
		if err != nil || !info.Mode().IsRegular() {
			continue // deleted, and not yet committed
		}
		content, err := os.ReadFile(filepath.Join(from, name))
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(to, name), content, info.Mode().Perm()))
	}
	return to
}

// only replaces a text of a file.
func only(t *testing.T, file, before, after string) {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, 1, bytes.Count(content, []byte(before)), before)
	content = bytes.Replace(content, []byte(before), []byte(after), 1)
	require.NoError(t, os.WriteFile(file, content, 0o644))
}
