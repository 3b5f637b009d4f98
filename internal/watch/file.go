package watch

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Read returns the content of the regular file at path, which may have at most so many
// bytes. Any other kind of file is refused without opening it, since opening a FIFO or a
// device can block. Errors do not contain path.
func Read(path string, most int64) ([]byte, error) {
	if err := check(path); err != nil { // before opening: opening a device may have effects
		return nil, err
	}
	// O_NONBLOCK, since the file may have been replaced by a FIFO since the check.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // the operator's settings name it
	if err != nil {
		return nil, withoutPath(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, withoutPath(err)
	}
	if err := regular(info); err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, withoutPath(err)
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("the file is larger than %d bytes", most)
	}
	return data, nil
}

// check returns an error unless there is a regular file at path.
func check(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return withoutPath(err)
	}
	return regular(info)
}

func regular(info fs.FileInfo) error {
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return errors.New("is a directory; it must be a regular file")
	case mode&fs.ModeNamedPipe != 0:
		return errors.New("is a named pipe (FIFO); it must be a regular file")
	default:
		return errors.New("is not a regular file")
	}
}

// withoutPath returns err without the path of the file, which callers add.
func withoutPath(err error) error {
	var at *fs.PathError
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// Files returns a Load that parses the contents of the files at paths, each of at most most
// bytes. It returns ErrUnchanged if all contents are those of the last good load. After a
// failure the files are always parsed again, since the failure may depend on something
// else, such as another file.
func Files[T any](most int64, parse func(context.Context, [][]byte) (T, error), paths ...string) func(context.Context) (T, error) {
	return files(&reader{most: most, read: Read}, parse, paths)
}

func files[T any](r *reader, parse func(context.Context, [][]byte) (T, error), paths []string) func(context.Context) (T, error) {
	var good Seen
	return func(ctx context.Context) (v T, err error) {
		contents := make([][]byte, len(paths))
		for i, path := range paths {
			if contents[i], err = r.content(ctx, path); err != nil {
				good.Forget()
				if len(paths) > 1 {
					err = fmt.Errorf("%s: %w", path, err)
				}
				return v, err
			}
		}
		if good.Same(contents...) {
			return v, ErrUnchanged
		}
		good.Forget() // parse may panic
		if v, err = parse(ctx, contents); err == nil {
			good.Same(contents...)
		}
		return v, err
	}
}

// Seen remembers the hash of the last contents.
type Seen struct {
	sum   [sha256.Size]byte
	known bool
}

// Same reports whether contents equal those of the last call, and remembers them.
func (s *Seen) Same(contents ...[]byte) bool {
	var sums []byte
	for _, c := range contents {
		sum := sha256.Sum256(c)
		sums = append(sums, sum[:]...)
	}
	sum := sha256.Sum256(sums)
	same := s.known && s.sum == sum
	s.sum, s.known = sum, true
	return same
}

// Forget makes the next call of Same return false.
func (s *Seen) Forget() { s.known = false }
