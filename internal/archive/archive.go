// Package archive packs the files of a directory into a stream and unpacks them: a tar
// archive, compressed with zstd. Files come in the order of their names, and have checksums.
//
// An archive is complete only if it was read to its end without an error. Whether it has the
// right files is up to its reader.
package archive

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/klauspost/compress/zstd"
)

// ErrMalformed says that a stream is not an archive, or is damaged or incomplete.
var ErrMalformed = errors.New("not a complete archive")

// maxWindow is the size of the window that reading an archive may need. Write needs 4 MiB.
const maxWindow = 32 << 20

// Write writes an archive of the files under dir to w. If it fails, the archive is incomplete,
// and readers refuse it.
func Write(w io.Writer, dir string) error {
	// Tables are compressed already, so that a slow level would gain nothing.
	z, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return fmt.Errorf("archive %s: %w", dir, err)
	}
	t := tar.NewWriter(z)
	if err := t.AddFS(os.DirFS(dir)); err != nil { // closing the writers would complete the archive
		return fmt.Errorf("archive %s: %w", dir, err)
	}
	if err := errors.Join(t.Close(), z.Close()); err != nil {
		return fmt.Errorf("archive %s: %w", dir, err)
	}
	return nil
}

// Each reads an archive to its end, and calls file with each file in it. The name is as the
// archive has it: it may lead anywhere. An error of r or of file is returned as it is; other
// errors are ErrMalformed.
func Each(r io.Reader, file func(name string, size int64, content io.Reader) error) error {
	from := &source{r: r}
	z, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return from.malformed(err)
	}
	defer z.Close()
	t := tar.NewReader(z)
	for files := 0; ; files++ {
		h, err := t.Next()
		if errors.Is(err, io.EOF) && files > 0 {
			return from.end(z)
		}
		if err != nil {
			return from.malformed(err)
		}
		switch h.Typeflag {
		case tar.TypeDir:
		case tar.TypeReg:
			if err := file(h.Name, h.Size, content{t, from}); err != nil {
				return err
			}
		default:
			return fmt.Errorf("%w: it has %.200q, which is neither a file nor a directory", ErrMalformed, h.Name)
		}
	}
}

// source remembers the error of a reader.
type source struct {
	r   io.Reader
	err error
}

// Read is of io.Reader.
func (s *source) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// malformed returns the error of the reader, if that is the reason of err. Otherwise the archive
// is malformed.
func (s *source) malformed(err error) error {
	if s.err != nil {
		return fmt.Errorf("read an archive: %w", s.err)
	}
	return fmt.Errorf("%w: %w", ErrMalformed, err)
}

// end reads the rest of the stream after the last file: the checksum, and nothing else.
func (s *source) end(z io.Reader) error {
	n, err := io.Copy(io.Discard, io.LimitReader(z, 1))
	if err != nil {
		return s.malformed(err)
	}
	if n > 0 {
		return fmt.Errorf("%w: it goes on after its end", ErrMalformed)
	}
	return nil
}

// content is the content of a file, whose errors say what is wrong with the archive.
type content struct {
	tar  *tar.Reader
	from *source
}

// Read is of io.Reader.
func (c content) Read(b []byte) (int, error) {
	n, err := c.tar.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		err = c.from.malformed(err)
	}
	return n, err
}

// Extract writes the files of an archive into dir, which must be empty. No name leads out of
// dir. When it returns nil, the files survive a power cut.
func Extract(r io.Reader, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	made := map[string]bool{".": true}
	err = Each(r, func(name string, _ int64, content io.Reader) error {
		if parent := path.Dir(name); !made[parent] {
			if err := root.MkdirAll(parent, 0o700); err != nil {
				return err
			}
			for ; !made[parent]; parent = path.Dir(parent) {
				made[parent] = true
			}
		}
		f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, content)
		return errors.Join(err, f.Sync(), f.Close())
	})
	for name := range made {
		if err == nil {
			err = syncDir(root, name)
		}
	}
	return err
}

// syncDir makes the names of files in a directory survive a power cut.
func syncDir(root *os.Root, name string) error {
	d, err := root.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
