//go:build unix

package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// sameOwner gives next the owner and the mode of the file at path. If there is none, it may be read by the group
// of its directory, which is that of the service in /etc/bellhop.
func sameOwner(path string, next *os.File) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if info, err := os.Stat(filepath.Dir(path)); err == nil {
			if owner, ok := info.Sys().(*syscall.Stat_t); ok {
				_ = next.Chown(-1, int(owner.Gid)) // who is not in the group keeps the own one
			}
		}
		const readable = 0o640
		return next.Chmod(readable)
	}
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		err = next.Chown(int(owner.Uid), int(owner.Gid))
	}
	return errors.Join(err, next.Chmod(info.Mode().Perm()))
}
