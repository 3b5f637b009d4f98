package archive_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/archive"
)

// packed returns an archive of a directory with two files.
func packed(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sub"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a"), []byte("first"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "sub", "b"), bytes.Repeat([]byte("second "), 1000), 0o600))
	var b bytes.Buffer
	require.NoError(t, archive.Write(&b, dir))
	return b.Bytes()
}

func each(r io.Reader) (names []string, err error) {
	err = archive.Each(r, func(name string, size int64, content io.Reader) error {
		n, err := io.Copy(io.Discard, content)
		if n != size && err == nil {
			err = errors.New("the size is wrong")
		}
		names = append(names, name)
		return err
	})
	return names, err
}

// contents returns the files of an archive.
func contents(b []byte) (map[string]string, error) {
	all := map[string]string{}
	err := archive.Each(bytes.NewReader(b), func(name string, _ int64, content io.Reader) error {
		b, err := io.ReadAll(content)
		all[name] = string(b)
		return err
	})
	return all, err
}

func TestFilesComeInTheOrderOfTheirNames(t *testing.T) {
	names, err := each(bytes.NewReader(packed(t)))
	require.NoError(t, err)
	require.Equal(t, []string{"a", "sub/b"}, names)
}

func TestAnArchiveIsExtracted(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, archive.Extract(bytes.NewReader(packed(t)), dir))
	got, err := os.ReadFile(filepath.Join(dir, "sub", "b"))
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("second ", 1000), string(got))
}

// Every byte of an archive counts: without the last ones, or with one that is changed, it is
// refused.
func TestADamagedArchiveIsRefused(t *testing.T) {
	whole := packed(t)
	for n := range whole {
		_, err := each(bytes.NewReader(whole[:n]))
		require.ErrorIs(t, err, archive.ErrMalformed, "the first %d of %d bytes", n, len(whole))
	}
	want, err := contents(whole)
	require.NoError(t, err)
	refused := 0
	for n := range whole {
		damaged := bytes.Clone(whole)
		damaged[n] ^= 1
		got, err := contents(damaged)
		if err != nil {
			refused++
			continue
		}
		require.Equal(t, want, got, "byte %d has no meaning", n)
	}
	require.Greater(t, refused, len(whole)*9/10)
	for _, more := range []string{"x", string(whole)} {
		_, err := each(strings.NewReader(string(whole) + more))
		require.ErrorIs(t, err, archive.ErrMalformed)
	}
	_, err = each(strings.NewReader("<html>" + strings.Repeat("x", 1000)))
	require.ErrorIs(t, err, archive.ErrMalformed)
}

func TestAnErrorOfTheReaderIsReturned(t *testing.T) {
	whole, lost := packed(t), errors.New("connection lost")
	for n := range whole {
		_, err := each(io.MultiReader(bytes.NewReader(whole[:n]), iotest.ErrReader(lost)))
		require.ErrorIs(t, err, lost, "after %d bytes", n)
		require.NotErrorIs(t, err, archive.ErrMalformed)
	}
}

func TestAnErrorOfTheWriterIsReturned(t *testing.T) {
	full := errors.New("disk full")
	require.ErrorIs(t, archive.Write(failing{full}, t.TempDir()), full)
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// No name leads out of the directory, and nothing but files and directories is accepted.
func TestAnArchiveStaysInItsDirectory(t *testing.T) {
	for _, h := range []tar.Header{
		{Typeflag: tar.TypeReg, Name: "../out", Size: 1},
		{Typeflag: tar.TypeReg, Name: "/out", Size: 1},
		{Typeflag: tar.TypeReg, Name: "in/../../out", Size: 1},
		{Typeflag: tar.TypeSymlink, Name: "link", Linkname: "/"},
		{Typeflag: tar.TypeLink, Name: "link", Linkname: "../out"},
		{Typeflag: tar.TypeChar, Name: "device"},
	} {
		var b bytes.Buffer
		z := archive.Compressed(&b)
		w := tar.NewWriter(z)
		require.NoError(t, w.WriteHeader(&h))
		if h.Size > 0 {
			_, err := w.Write([]byte("x"))
			require.NoError(t, err)
		}
		require.NoError(t, errors.Join(w.Close(), z.Close()))
		parent := t.TempDir()
		dir := filepath.Join(parent, "in")
		require.NoError(t, os.Mkdir(dir, 0o700))
		require.Error(t, archive.Extract(&b, dir), h.Name)
		left, err := os.ReadDir(parent)
		require.NoError(t, err)
		require.Len(t, left, 1, h.Name)
		left, err = os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left, h.Name)
	}
}
