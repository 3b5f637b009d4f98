//go:build unix

package cli

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// sameOwner gives next the owner and the mode of the file at path, if there is one.
func sameOwner(path string, next *os.File) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		err = next.Chown(int(owner.Uid), int(owner.Gid))
	}
	return errors.Join(err, next.Chmod(info.Mode().Perm()))
}
