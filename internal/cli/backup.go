package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"github.com/mattn/go-isatty"

	"github.com/bellhop/bellhop/internal/store"
)

type backupCommand struct {
	To    string `required:"" placeholder:"FILE" help:"file to write, or - for the standard output"`
	Force bool   `help:"replace the file if it exists"`

	admin `embed:""`
}

// Help says what a backup has.
func (*backupCommand) Help() string {
	return "The backup is a copy of the store at one moment, while the service goes on. It has everything that was acknowledged " +
		"before the command was started, the texts of all notifications, and the secrets of cursors and tickets: protect it like the " +
		"data directory. It is checked while it is written. The file appears under its name when it is complete and on the disk."
}

// Run writes a backup of a running service.
func (c *backupCommand) Run(t *terminal) error {
	base, err := c.resolve(t)
	if err != nil {
		return err
	}
	if c.To == "-" {
		if isTerminal(t.stdout) {
			return usagef("a backup is not written to a terminal: name a file, or redirect the standard output")
		}
		found, err := t.download(base, t.stdout)
		if err != nil {
			return fmt.Errorf("the backup is not complete: %w", err)
		}
		t.note("backup complete: sequence %d, %s in the store", found.Sequence, byteSize(found.Bytes))
		return nil
	}
	file, err := newFile(c.To, c.Force)
	if err != nil {
		return err
	}
	found, err := t.download(base, file)
	size := file.size
	if err = file.finish(err); err != nil {
		return fmt.Errorf("write the backup %s: %w", c.To, err)
	}
	_, err = fmt.Fprintf(t.stdout, "backup complete: %s, sequence %d, %s, %s in the store\n", c.To, found.Sequence, byteSize(size), byteSize(found.Bytes))
	return err
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// download writes the backup of a service to w. When it returns nil, the backup is complete and
// was compared with its checksums.
func (t *terminal) download(base string, w io.Writer) (found store.BackupContents, err error) {
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	shown := t.progress("backup")
	defer shown.end()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/backup", http.NoBody)
	if err != nil {
		return found, err
	}
	req.Header.Set("Accept-Encoding", "identity")
	client := &http.Client{CheckRedirect: refuseRedirect}
	resp, err := client.Do(req)
	if err != nil {
		return found, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // a partial body still explains the refusal
		return found, problemOf(resp.StatusCode, "", body)
	}
	found, err = store.CheckBackup(ctx, io.TeeReader(resp.Body, w), shown.set)
	if t.ctx.Err() != nil {
		err = fmt.Errorf("interrupted: %w", context.Cause(t.ctx))
	}
	return found, err
}

// newContent is a file that appears under its name when it is complete.
type newContent struct {
	file  *os.File
	path  string
	force bool
	size  int64
}

// newFile creates a file beside path. It fails if path exists, unless force is set.
func newFile(path string, force bool) (*newContent, error) {
	switch found, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case !found.Mode().IsRegular():
		return nil, fmt.Errorf("%s exists and is not a file; --to - writes to the standard output", path)
	case !force:
		return nil, fmt.Errorf("%s exists; --force replaces it", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".partial-*") // nobody else may read it
	if err != nil {
		return nil, err
	}
	return &newContent{file: f, path: path, force: force}, nil
}

// Write is of io.Writer.
func (c *newContent) Write(b []byte) (int, error) {
	n, err := c.file.Write(b)
	c.size += int64(n)
	return n, err
}

// finish gives the file its name, durably, or removes it if err is not nil.
func (c *newContent) finish(err error) error {
	if err == nil {
		err = c.file.Sync()
	}
	err = errors.Join(err, c.file.Close())
	if err == nil {
		err = c.rename()
	}
	if err != nil {
		_ = os.Remove(c.file.Name()) // it has another name already if only the last step has failed
		return err
	}
	return syncDir(filepath.Dir(c.path))
}

// rename gives the file its name. Without force, it fails if the name exists meanwhile.
func (c *newContent) rename() error {
	if c.force {
		return os.Rename(c.file.Name(), c.path)
	}
	err := os.Link(c.file.Name(), c.path)
	switch {
	case err == nil:
		return os.Remove(c.file.Name())
	case errors.Is(err, fs.ErrExist):
		return err
	default: // a file system without links
		return os.Rename(c.file.Name(), c.path)
	}
}

// syncDir makes the names in a directory survive a power cut. Some file systems cannot do that,
// and need not.
func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the directory that the command line names
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrInvalid) {
		return err
	}
	return nil
}
