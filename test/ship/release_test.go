package ship_test

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRelease(t *testing.T) {
	r := snapshot(t)
	t.Run("its archives are complete", func(t *testing.T) { archives(t, r) })
	t.Run("links in its documents lead to files", func(t *testing.T) { documents(t, r) })
	t.Run("its checksums are those of its files", func(t *testing.T) { checksums(t, r) })
	t.Run("it has the parts of each program", func(t *testing.T) { parts(t, r) })
	t.Run("its programs need nothing but the system and have the version and the commit", func(t *testing.T) { program(t, r) })
	t.Run("the image has the same program", func(t *testing.T) { image(t, r) })
	t.Run("its manual page has no mistake", func(t *testing.T) { manual(t, r) })
	t.Run("a second build elsewhere is equal", func(t *testing.T) { secondBuild(t, r) })
	if *full { // which the part "release" runs, with lintian and the more than a hundred packages that it needs
		t.Run("Debian's checks of its packages find nothing", func(t *testing.T) { lint(t, r) })
	}
	root := debian(t)
	t.Run("its package for RPM", func(t *testing.T) { rpm(t, r, copyOf(t, root)) })
	t.Run("its package for Debian", func(t *testing.T) { deb(t, r, root) })
}

func archives(t *testing.T, r release) {
	for _, platform := range platforms() {
		binary, suffix := "bellhop", ".tar.gz"
		if strings.HasPrefix(platform, "windows") {
			binary, suffix = "bellhop.exe", ".zip"
		}
		top := "bellhop_" + r.version + "_" + platform + "/"
		want := []string{
			"CHANGELOG.md", "LICENSE", "METRICS.md", "OPERATING.md", "README.md", binary,
			"bellhop.1", "completion/_bellhop", "completion/bellhop.bash", "completion/bellhop.fish",
		}
		for i := range want {
			want[i] = top + want[i]
		}
		slices.Sort(want)
		names := unpack(t, r.file(platform, suffix), t.TempDir())
		slices.Sort(names)
		assert.Equal(t, want, names)
	}
}

// unpack unpacks an archive and returns the names of its files.
func unpack(t *testing.T, archive, to string) (names []string) {
	t.Helper()
	write := func(name string, mode os.FileMode, from io.Reader) {
		names = append(names, name)
		path := filepath.Join(to, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		content, err := io.ReadAll(from)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, content, mode.Perm()))
	}
	if strings.HasSuffix(archive, ".zip") {
		z, err := zip.OpenReader(archive)
		require.NoError(t, err)
		defer z.Close()
		for _, f := range z.File {
			from, err := f.Open()
			require.NoError(t, err)
			write(f.Name, f.Mode(), from)
			require.NoError(t, from.Close())
		}
		return names
	}
	f, err := os.Open(archive)
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	for files := tar.NewReader(z); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		require.NoError(t, err)
		require.Equal(t, []string{"root", "root"}, []string{h.Uname, h.Gname})
		write(h.Name, h.FileInfo().Mode(), files)
	}
}

func checksums(t *testing.T, r release) {
	sums := sumsOf(t, r)
	want := 0
	for _, platform := range platforms() {
		suffixes := []string{".tar.gz", ".cdx.json"}
		switch {
		case strings.HasPrefix(platform, "windows"):
			suffixes = []string{".zip", ".cdx.json"}
		case strings.HasPrefix(platform, "linux"):
			suffixes = append(suffixes, ".deb", ".rpm")
		}
		for _, suffix := range suffixes {
			want++
			content, err := os.ReadFile(r.file(platform, suffix))
			require.NoError(t, err)
			sum := sha256.Sum256(content)
			assert.Equal(t, hex.EncodeToString(sum[:]), sums[filepath.Base(r.file(platform, suffix))], platform+suffix)
		}
	}
	assert.Len(t, sums, want)
}

// sumsOf returns the checksums of a release by the names of its files.
func sumsOf(t *testing.T, r release) map[string]string {
	t.Helper()
	content, err := os.ReadFile(r.file("checksums", ".txt"))
	require.NoError(t, err)
	sums := map[string]string{}
	for line := range strings.Lines(string(content)) {
		sum, name, found := strings.Cut(strings.TrimSpace(line), "  ")
		require.True(t, found, line)
		sums[name] = sum
	}
	return sums
}

// parts compares the list of parts with the modules that the linker has recorded.
func parts(t *testing.T, r release) {
	for _, platform := range platforms() {
		content, err := os.ReadFile(r.file(platform, ".cdx.json"))
		require.NoError(t, err)
		var bom struct {
			BOMFormat  string `json:"bomFormat"`
			Metadata   struct{ Component struct{ Version string } }
			Components []struct {
				PackageURL string `json:"purl"`
			}
		}
		require.NoError(t, json.Unmarshal(content, &bom))
		assert.Equal(t, "CycloneDX", bom.BOMFormat)
		assert.Equal(t, "v"+r.version, bom.Metadata.Component.Version)
		var listed []string
		for _, c := range bom.Components {
			name, _, _ := strings.Cut(strings.TrimPrefix(c.PackageURL, "pkg:golang/"), "?")
			listed = append(listed, strings.ReplaceAll(name, "%2B", "+"))
		}
		modules := 0
		for line := range strings.Lines(output(t, "", "go", "version", "-m", binary(t, r, platform))) {
			if f := strings.Fields(line); f[0] == "dep" {
				modules++
				assert.Contains(t, listed, f[1]+"@"+f[2])
			}
		}
		assert.Greater(t, modules, 30)
	}
}

// binary unpacks an archive and returns the path of its program.
func binary(t *testing.T, r release, platform string) string {
	t.Helper()
	dir, suffix, name := t.TempDir(), ".tar.gz", "bellhop"
	if strings.HasPrefix(platform, "windows") {
		suffix, name = ".zip", "bellhop.exe"
	}
	unpack(t, r.file(platform, suffix), dir)
	return filepath.Join(dir, "bellhop_"+r.version+"_"+platform, name)
}

func manual(t *testing.T, r release) {
	need(t, map[string]string{"mandoc": "mandoc"})
	page := filepath.Join(filepath.Dir(binary(t, r, "linux_amd64")), "bellhop.1")
	assert.Empty(t, output(t, "", "mandoc", "-T", "lint", "-W", "warning", page))
	content, err := os.ReadFile(page)
	require.NoError(t, err)
	assert.Contains(t, string(content), `.TH BELLHOP 1 "2026-11-28" "bellhop v`+r.version+`"`)
}

// secondBuild makes the release of the same commit again, with another directory, build cache, time zone
// and file mode mask, and compares the checksums. Each platform takes a while with an empty build cache,
// so without -full this release has only one.
func secondBuild(t *testing.T, first release) {
	second := again(t, first)
	require.NotEqual(t, first.dist, second.dist)
	require.Equal(t, first.commit, second.commit)
	want := sumsOf(t, first)
	if !*full {
		maps.DeleteFunc(want, func(name, _ string) bool { return !strings.Contains(name, "_linux_amd64.") })
		require.Len(t, want, 4)
	}
	assert.Equal(t, want, sumsOf(t, second))
	for _, name := range slices.Sorted(maps.Keys(want)) {
		info, err := os.Stat(filepath.Join(second.dist, name))
		require.NoError(t, err)
		t.Logf("%s %4.1f MiB %s", want[name][:12], float64(info.Size())/(1<<20), name)
	}
}
