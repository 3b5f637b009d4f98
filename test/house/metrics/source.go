package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// sources are the Go files of one version of the repository: content by path from
// the top.
type sources map[string][]byte

// workTree is the name of the version that is not a commit: the files as they are
// on disk.
const workTree = "work tree"

// readSources returns the Go files of a commit, or of the work tree.
func readSources(ctx context.Context, version string) (sources, error) {
	top, err := git(ctx, ".", "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, err
	}
	dir := strings.TrimSpace(string(top))
	if version == workTree {
		return readWorkTree(ctx, dir)
	}
	archive, err := git(ctx, dir, "archive", "--format=tar", version)
	if err != nil {
		return nil, err
	}
	return readArchive(archive)
}

func readWorkTree(ctx context.Context, dir string) (sources, error) {
	list, err := git(ctx, dir, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.go")
	if err != nil {
		return nil, err
	}
	all := sources{}
	for name := range strings.SplitSeq(strings.TrimRight(string(list), "\x00"), "\x00") {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, os.ErrNotExist) {
			continue // deleted, and the deletion not committed
		}
		if err != nil {
			return nil, fmt.Errorf("read the work tree: %w", err)
		}
		all[name] = content
	}
	return all, nil
}

func readArchive(archive []byte) (sources, error) {
	all := sources{}
	files := tar.NewReader(bytes.NewReader(archive))
	for {
		file, err := files.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read the archive of git: %w", err)
		}
		if file.Typeflag != tar.TypeReg || path.Ext(file.Name) != ".go" {
			continue
		}
		if all[file.Name], err = io.ReadAll(files); err != nil {
			return nil, fmt.Errorf("read the archive of git: %w", err)
		}
	}
}

// git runs git in dir and returns its output.
func git(ctx context.Context, dir string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return nil, fmt.Errorf("git %s: %s", args[0], bytes.TrimSpace(exit.Stderr))
	}
	if err != nil {
		return nil, fmt.Errorf("git %s: %w", args[0], err)
	}
	return out, nil
}
