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

// The installed service and its settings.
const (
	unit     = "bellhop.service"
	settings = "/etc/bellhop/bellhop.yaml"
)

// installed is a Debian with the package, and with a newer one to which it can be upgraded.
type installed struct {
	*machine
	release
}

// deb installs the package on the Debian in root, which it starts, and does what an administrator does with it.
func deb(t *testing.T, r release, root string) {
	need(t, map[string]string{"curl": "curl", "dpkg-deb": "dpkg"})
	downloads := filepath.Join(root, "var", "tmp")
	output(t, "", "cp", r.file("linux_amd64", ".deb"), r.file("checksums", ".txt"), downloads)
	repack(t, r.file("linux_amd64", ".deb"), filepath.Join(downloads, "newer"))

	s := installed{start(t, root), r}
	s.waitsForSettings()
	s.hasSandbox()
	s.startsWithSettings()
	s.reloads()
	s.keepsDataInUpgrade()
	s.stopsInOrder()
	s.continuesWhenInstalledAgain()
	s.isPurged()
}

// lint checks the packages against the policy of Debian. What they do otherwise on purpose is in
// packaging/deb/lintian, with the reason.
func lint(t *testing.T, r release) {
	need(t, map[string]string{"lintian": "lintian"})
	for _, platform := range []string{"linux_amd64", "linux_arm64"} {
		output(t, "", "lintian", "--fail-on=error,warning", r.file(platform, ".deb"))
	}
}

// repack writes a copy of a package with a newer version.
func repack(t *testing.T, file, newer string) {
	t.Helper()
	dir := t.TempDir()
	output(t, "", "dpkg-deb", "--raw-extract", file, dir)
	control := filepath.Join(dir, "DEBIAN", "control")
	content, err := os.ReadFile(control)
	require.NoError(t, err)
	content = regexp.MustCompile(`(?m)^Version: .*$`).ReplaceAll(content, []byte("Version: 99.0.0"))
	require.NoError(t, os.WriteFile(control, content, 0o644))
	output(t, "", "dpkg-deb", "--build", "-Znone", dir, newer)
}

func (s installed) waitsForSettings() {
	out := s.guide(0)
	assert.Contains(s.t, out, "systemctl enable --now bellhop")
	assert.Contains(s.t, s.run("head", "--lines=1", "/usr/share/doc/bellhop/OPERATING.md"), "Operating bellhop")
	assert.Contains(s.t, s.run("cat", "/usr/share/doc/bellhop/copyright"), licence)
	assert.Equal(s.t, "inactive", s.property("ActiveState"))
	assert.Equal(s.t, "disabled", s.property("UnitFileState"))
	assert.Equal(s.t, "root bellhop 640", s.run("stat", "--format=%U %G %a", settings))
	assert.Equal(s.t, "root bellhop 750", s.run("stat", "--format=%U %G %a", "/etc/bellhop"))
	out, err := s.check()
	require.Error(s.t, err)
	assert.Contains(s.t, out, "BELLHOP_JWT_SECRET")
}

// guide runs a block of commands of the operating guide, exactly as it is written, and returns
// what it prints.
func (s installed) guide(block int) string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "cmd", "bellhop", "README.md"))
	require.NoError(s.t, err)
	_, section, found := strings.Cut(string(text), "\n## Packages\n")
	require.True(s.t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(section, -1)
	require.Len(s.t, blocks, 2)
	return s.run("sh", "-ec", "cd /var/tmp\n"+blocks[block][1])
}

// check reads the settings as the service does.
func (s installed) check() (string, error) {
	return s.try("runuser", "-u", "bellhop", "--", "bellhop", "config", "--check", settings)
}

func (s installed) hasSandbox() {
	assert.Empty(s.t, s.run("systemd-analyze", "verify", "--man=no", unit)) //nolint:misspell // the name of a program
	// 15 is a level of 1.5, of 10 without any protection.
	s.run("systemd-analyze", "security", "--no-pager", "--threshold=15", unit) //nolint:misspell // the name of a program
}

func (s installed) startsWithSettings() {
	assert.Regexp(s.t, `(?s)^ok\n.*ready$`, s.guide(1))

	status := s.run("cat", "/proc/"+s.property("MainPID")+"/status")
	user := s.run("id", "--user", "bellhop")
	for _, line := range []string{"Uid:\t" + user + "\t" + user + "\t" + user + "\t" + user, "CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
		assert.Contains(s.t, status, line+"\n")
	}
	assert.Equal(s.t, "bellhop bellhop 700", s.run("stat", "--format=%U %G %a", "/var/lib/bellhop"))

	ready := s.curl("http://127.0.0.1:8080/readyz")
	assert.JSONEq(s.t, `{"status": "ok", "version": "v`+s.version+`", "revision": "`+s.commit+`"}`, ready)
	metrics := s.curl("http://127.0.0.1:8081/metrics")
	assert.Regexp(s.t, `bellhop_build_info\{go_version="go[0-9.]+",revision="`+s.commit+`",version="v`+regexp.QuoteMeta(s.version)+`"\} 1`, metrics)
	for _, name := range []string{"process_start_time_seconds", "process_open_fds", "process_resident_memory_bytes"} {
		assert.Regexp(s.t, `(?m)^`+name+` [1-9]`, metrics, "the sandbox hides what the metric comes from")
	}
	assert.NotContains(s.t, s.log(), "memory limit cannot be read")
	assert.Contains(s.t, s.run("bellhop", "version"), "bellhop v"+s.version+" "+s.commit+" ")
	s.as("backend", "notify:publish", "send", "--user=ada", "--type=test", "--title=kept")
	assert.Contains(s.t, s.as("ada", "", "inbox"), "kept")
	s.run("runuser", "-u", "bellhop", "--", "bellhop", "backup", "--to", "/var/lib/bellhop/backup.tar.zst")
}

func (s installed) reloads() {
	before := s.property("MainPID")
	s.run("sh", "-c", "echo 'log_level: debug' >>"+settings)
	s.run("systemctl", "reload", "bellhop")
	s.wait("the settings are read again", func() bool { return strings.Contains(s.log(), `"action":"reload"`) })
	assert.Equal(s.t, before, s.property("MainPID"))
}

func (s installed) keepsDataInUpgrade() {
	before := s.property("MainPID")
	s.run("dpkg", "--install", "/var/tmp/newer") // which would ask if it had changes of the settings
	s.isReady()
	assert.NotEqual(s.t, before, s.property("MainPID"), "the newer program runs")
	assert.Contains(s.t, s.as("ada", "", "inbox"), "kept")
	assert.Contains(s.t, s.run("cat", settings), "log_level: debug")
	assert.Equal(s.t, "root bellhop 640", s.run("stat", "--format=%U %G %a", settings))
}

// stopsInOrder stops the service while a user is connected.
func (s installed) stopsInOrder() {
	s.run("systemd-run", "--unit=listener", "--setenv=BELLHOP_TOKEN="+s.token("ada", ""), "bellhop", "listen", "--cursor=earliest")
	s.wait("a user is connected", func() bool { return strings.Contains(s.run("journalctl", "--unit=listener"), "kept") })
	s.run("systemctl", "stop", "bellhop")
	assert.Equal(s.t, "success", s.property("Result"))
	assert.Equal(s.t, "0", s.property("ExecMainStatus"))
	assert.Contains(s.t, s.log(), `"msg":"stopped"`)
	s.run("systemctl", "stop", "listener")
	s.run("systemctl", "start", "bellhop")
	s.isReady()
}

func (s installed) continuesWhenInstalledAgain() {
	s.run("dpkg", "--remove", "bellhop")
	assert.Equal(s.t, "inactive", s.property("ActiveState"))
	assert.NoFileExists(s.t, filepath.Join(s.root, "usr", "bin", "bellhop"))
	s.run("test", "-d", "/var/lib/bellhop/data")
	s.run("test", "-f", settings)
	s.run("dpkg", "--install", "/var/tmp/newer")
	s.isReady()
	assert.Contains(s.t, s.as("ada", "", "inbox"), "kept")
}

func (s installed) isPurged() {
	s.run("dpkg", "--purge", "bellhop")
	assert.Empty(s.t, s.run("find", "/etc", "/usr", "/var/lib", "-name", "*bellhop*", "-not", "-path", "/var/lib/dpkg/*"))
	s.fails("getent", "passwd", "bellhop")
	s.fails("getent", "group", "bellhop")
	assert.Equal(s.t, "not-found", s.property("LoadState"))
	assert.Equal(s.t, "running", s.run("systemctl", "is-system-running"))
}

// isReady waits until the service answers that it is.
func (s installed) isReady() {
	s.t.Helper()
	s.wait("it is ready", func() bool {
		if s.property("ActiveState") == "failed" {
			require.Fail(s.t, "the service has failed", s.log())
		}
		_, err := s.try("bellhop", "health")
		return err == nil
	})
}

// property returns a property of the unit.
func (s installed) property(name string) string {
	s.t.Helper()
	return s.run("systemctl", "show", "--property="+name, "--value", unit)
}

func (s installed) log() string {
	s.t.Helper()
	return s.run("journalctl", "--no-pager", "--output=cat", "--unit=bellhop")
}

// curl gets a page of the machine. The program is not in the machine.
func (s installed) curl(url string) string {
	s.t.Helper()
	return output(s.t, "", "nsenter", "--target", s.init, "--net", "curl", "--silent", "--show-error", "--fail", url)
}

// as runs a command of bellhop with a token of a user.
func (s installed) as(user, scope string, command ...string) string {
	s.t.Helper()
	return s.run(append([]string{"env", "BELLHOP_TOKEN=" + s.token(user, scope), "bellhop"}, command...)...)
}

// token returns a token of a user, signed with the secret of the service.
func (s installed) token(user, scope string) string {
	s.t.Helper()
	return s.run("bellhop", "token", "--config="+settings, "--user="+user, "--scope="+scope)
}
