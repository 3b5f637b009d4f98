//go:build unix

package cli_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestANewFileOfKeysCanBeReadByTheService makes the first key in a directory as packages make it, in which root
// works for a service that is another user.
func TestANewFileOfKeysCanBeReadByTheService(t *testing.T) {
	dir := t.TempDir()
	group := os.Getgid()
	if os.Getuid() == 0 {
		group = 4242
		if err := os.Chown(dir, 0, group); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "keys.yaml")
	for _, name := range []string{"billing", "ops"} {
		bellhop(t, nil, "key", "new", "--file", file, "--name", name, "--scope", "notify:publish").want(t, 0)
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		owner, ok := info.Sys().(*syscall.Stat_t)
		if !ok || int(owner.Gid) != group || int(owner.Uid) != os.Getuid() || info.Mode().Perm() != 0o640 {
			t.Errorf("after %s: %v %+v", name, info.Mode(), owner)
		}
	}
}
