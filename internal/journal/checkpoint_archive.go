package journal

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

// archive writes an archive of the files under dir to w.
func archive(dir string, w io.Writer) error {
	// Tables are compressed already, so that a slow level would gain nothing.
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return fmt.Errorf("archive %s: %w", dir, err)
	}
	t := tar.NewWriter(z)
	if err := errors.Join(t.AddFS(os.DirFS(dir)), t.Close(), z.Close()); err != nil {
		return fmt.Errorf("archive %s: %w", dir, err)
	}
	return nil
}

// extract writes the files of an archive into dir, which must be empty, and reads r to its end.
// The files survive a power cut.
func extract(r io.Reader, dir string) error {
	root, err := os.OpenRoot(dir) // no name in the archive leads out of dir
	if err != nil {
		return err
	}
	defer root.Close()
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoCheckpoint, err)
	}
	defer z.Close()
	t := tar.NewReader(z)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, r)
			return err
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrNoCheckpoint, err)
		}
		if err := extractFile(root, h, t); err != nil {
			return err
		}
	}
}

func extractFile(root *os.Root, h *tar.Header, r io.Reader) error {
	switch h.Typeflag {
	case tar.TypeDir:
		return root.MkdirAll(h.Name, 0o700)
	case tar.TypeReg:
		f, err := root.OpenFile(h.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, r)
		return errors.Join(err, f.Sync(), f.Close())
	default:
		return fmt.Errorf("%w: its archive has %q, which is neither a file nor a directory", ErrNoCheckpoint, h.Name)
	}
}
