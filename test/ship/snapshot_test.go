// Package ship_test makes a release as goreleaser does, without publishing it, and tests its files:
// archives, packages, lists of parts and checksums. The package for Debian is installed,
// started, upgraded and removed on a Debian of its own.
//
// By default the release is for Linux on amd64 only, because each platform takes as long as
// all other tests of this package. With -full it has all platforms.
package ship_test

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var full = flag.Bool("full", false, "release for all platforms, and compare it with one from an empty build cache")

// The version of the commit that is released, and the repository that its files name.
const (
	tag    = "v1.2.3"
	origin = "https://github.com/bellhop/bellhop.git"
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
	return []string{"linux_amd64"}
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
	if !*full {
		only(t, filepath.Join(top, ".goreleaser.yaml"), "goos: [linux, darwin, windows]", "goos: [linux]")
		only(t, filepath.Join(top, ".goreleaser.yaml"), "goarch: [amd64, arm64]", "goarch: [amd64]")
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
	return build(t, top)
}

// again makes the release of the same commit in another directory, even if the files of the
// repository have changed meanwhile.
func again(t *testing.T, first release, env ...string) release {
	t.Helper()
	top := filepath.Join(t.TempDir(), "elsewhere")
	output(t, "", "git", "clone", "--quiet", "--no-hardlinks", filepath.Dir(first.dist), top)
	output(t, top, "git", "remote", "set-url", "origin", origin)
	return build(t, top, env...)
}

// build makes a release of the commit of the repository in top.
func build(t *testing.T, top string, env ...string) release {
	t.Helper()
	goreleaser := output(t, "", "go", "tool", "-n", "goreleaser") // which builds it
	cmd := exec.CommandContext(t.Context(), goreleaser, "release", "--snapshot", "--clean")
	cmd.Dir = top
	cmd.Env = append(append(os.Environ(), "GOFLAGS=-mod=readonly"), env...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Empty(t, output(t, top, "git", "status", "--porcelain"), "the release leaves files that are not ignored")
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
