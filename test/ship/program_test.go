package ship_test

import (
	"bytes"
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// program reads the program of each platform as the system does that loads it.
func program(t *testing.T, r release) {
	for _, platform := range platforms() {
		t.Run(platform, func(t *testing.T) {
			file := binary(t, r, platform)
			goos, goarch, _ := strings.Cut(platform, "_")
			map[string]func(t *testing.T, file, goarch string){"linux": isELF, "darwin": isMachO, "windows": isPE}[goos](t, file, goarch)
			content, err := os.ReadFile(file)
			require.NoError(t, err)
			assert.True(t, bytes.Contains(content, []byte("v"+r.version)), "it does not have its version")
			assert.True(t, bytes.Contains(content, []byte(r.commit)), "it does not have its commit")
		})
	}
	version := output(t, "", binary(t, r, "linux_amd64"), "version")
	assert.True(t, strings.HasPrefix(version, "bellhop v"+r.version+" "+r.commit+" go"), version)
}

// isELF checks that a program for Linux needs no library: it has no dynamic linker and no table of libraries.
func isELF(t *testing.T, file, goarch string) {
	f, err := elf.Open(file)
	require.NoError(t, err)
	defer f.Close()
	assert.Equal(t, map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[goarch], f.Machine)
	assert.Equal(t, elf.ET_EXEC, f.Type)
	for _, p := range f.Progs {
		assert.NotEqual(t, elf.PT_INTERP, p.Type, "it needs a dynamic linker")
		assert.NotEqual(t, elf.PT_DYNAMIC, p.Type, "it has a table of libraries")
	}
	for _, s := range f.Sections {
		assert.NotEqual(t, elf.SHT_DYNAMIC, s.Type, "it has a table of libraries")
	}
}

// isMachO checks that a program for macOS needs only libraries of the system, which has no stable
// interface below them, and that the one for arm64 is signed, since no other is started there.
func isMachO(t *testing.T, file, goarch string) {
	const codeSignature macho.LoadCmd = 0x1d // LC_CODE_SIGNATURE, which debug/macho does not name
	f, err := macho.Open(file)
	require.NoError(t, err)
	defer f.Close()
	assert.Equal(t, map[string]macho.Cpu{"amd64": macho.CpuAmd64, "arm64": macho.CpuArm64}[goarch], f.Cpu)
	assert.Equal(t, macho.TypeExec, f.Type)
	libraries, err := f.ImportedLibraries()
	require.NoError(t, err)
	assert.Contains(t, libraries, "/usr/lib/libSystem.B.dylib")
	for _, library := range libraries {
		assert.Regexp(t, `^(/usr/lib|/System/Library)/`, library)
	}
	signed := slices.ContainsFunc(f.Loads, func(l macho.Load) bool {
		return macho.LoadCmd(f.ByteOrder.Uint32(l.Raw())) == codeSignature
	})
	assert.True(t, signed || goarch != "arm64", "it is not signed")
}

// isPE checks that a program for Windows is of the console and needs only the library of the system
// with which it loads others.
func isPE(t *testing.T, file, goarch string) {
	f, err := pe.Open(file)
	require.NoError(t, err)
	defer f.Close()
	machines := map[string]uint16{"amd64": pe.IMAGE_FILE_MACHINE_AMD64, "arm64": pe.IMAGE_FILE_MACHINE_ARM64}
	assert.Equal(t, machines[goarch], f.Machine)
	header, is64 := f.OptionalHeader.(*pe.OptionalHeader64)
	require.True(t, is64)
	assert.EqualValues(t, pe.IMAGE_SUBSYSTEM_WINDOWS_CUI, header.Subsystem)
	symbols, err := f.ImportedSymbols()
	require.NoError(t, err)
	assert.NotEmpty(t, symbols)
	for _, symbol := range symbols {
		assert.True(t, strings.HasSuffix(symbol, ":kernel32.dll"), symbol)
	}
}

// image builds the program as the Dockerfile does, which has a list of flags of its own, and
// compares it with that of the release.
func image(t *testing.T, r release) {
	top := filepath.Dir(r.dist)
	dockerfile, err := os.ReadFile(filepath.Join(top, "Dockerfile"))
	require.NoError(t, err)
	found := regexp.MustCompile(`(?s)\nRUN (CGO_ENABLED=0 .*? go build .*?)\n\n`).FindSubmatch(dockerfile)
	require.NotNil(t, found, "no command that builds the program")
	out := t.TempDir()
	output(t, top, "env", "TARGETOS=linux", "TARGETARCH=amd64", "VERSION=v"+r.version, "REVISION="+r.commit,
		"sh", "-ec", strings.ReplaceAll(string(found[1]), "/out", out))
	want, err := os.ReadFile(binary(t, r, "linux_amd64"))
	require.NoError(t, err)
	got, err := os.ReadFile(filepath.Join(out, "bellhop"))
	require.NoError(t, err)
	assert.True(t, bytes.Equal(want, got), "the programs differ")
}
