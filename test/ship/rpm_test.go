package ship_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
)

// rpm installs the package into root, a system without systemd as process 1, as images of containers
// are made, and removes it. Its dependencies have other names in Debian.
func rpm(t *testing.T, r release, root string) {
	need(t, map[string]string{"rpm": "rpm"})
	file := r.file("linux_amd64", ".rpm")
	in := func(command ...string) string {
		return output(t, "", append([]string{"chroot", root}, command...)...)
	}
	assert.Equal(t, `/etc/bellhop root bellhop drwxr-x---
/etc/bellhop/bellhop.yaml root bellhop -rw-r-----
/usr/bin/bellhop root root -rwxr-xr-x
/usr/lib/systemd/system/bellhop.service root root -rw-r--r--
/usr/share/bash-completion/completions/bellhop root root -rw-r--r--
/usr/share/doc/bellhop/METRICS.md root root -rw-r--r--
/usr/share/doc/bellhop/OPERATING.md root root -rw-r--r--
/usr/share/doc/bellhop/README.md root root -rw-r--r--
/usr/share/doc/bellhop/changelog.gz root root -rw-r--r--
/usr/share/doc/bellhop/copyright root root -rw-r--r--
/usr/share/fish/vendor_completions.d/bellhop.fish root root -rw-r--r--
/usr/share/man/man1/bellhop.1.gz root root -rw-r--r--
/usr/share/zsh/site-functions/_bellhop root root -rw-r--r--`,
		output(t, "", "rpm", "--query", "--package", "--queryformat", `[%{FILENAMES} %{FILEUSERNAME} %{FILEGROUPNAME} %{FILEMODES:perms}\n]`, file))
	assert.Equal(t, "/etc/bellhop/bellhop.yaml", output(t, "", "rpm", "--query", "--package", "--configfiles", file))
	assert.Equal(t, `/usr/share/doc/bellhop/METRICS.md
/usr/share/doc/bellhop/OPERATING.md
/usr/share/doc/bellhop/README.md
/usr/share/doc/bellhop/changelog.gz
/usr/share/man/man1/bellhop.1.gz`, output(t, "", "rpm", "--query", "--package", "--docfiles", file))
	assert.Equal(t, "/usr/share/doc/bellhop/copyright", output(t, "", "rpm", "--query", "--package", "--licensefiles", file))

	out := output(t, "", "rpm", "--root", root, "--nodeps", "--noverify", "--install", file)
	assert.NotContains(t, out, "warning", "the group exists before the files")
	assert.Equal(t, "root bellhop 640", in("stat", "--format=%U %G %a", "/etc/bellhop/bellhop.yaml"))
	assert.Contains(t, in("bellhop", "version"), r.commit)
	assert.Contains(t, in("getent", "passwd", "bellhop"), ":/var/lib/bellhop:/sbin/nologin")

	output(t, "", "rpm", "--root", root, "--nodeps", "--erase", "bellhop")
	assert.NoFileExists(t, filepath.Join(root, "usr", "bin", "bellhop"))
	assert.Contains(t, in("getent", "passwd", "bellhop"), "bellhop:", "files of the user may remain")
}
