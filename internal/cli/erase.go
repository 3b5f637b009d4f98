package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
)

type exportCommand struct {
	client

	User  string `arg:"" placeholder:"USER" help:"user whose data is exported"`
	To    string `required:"" placeholder:"FILE" help:"file to write, or - for the standard output"`
	Force bool   `help:"replace the file if it exists"`
}

// Help says what an export has.
func (*exportCommand) Help() string {
	return "The export has everything that the service keeps about the user, as a JSON object in each line. The token needs the scope " +
		"notify:admin. The file appears under its name when it is complete."
}

// Run writes what is kept about a user.
func (c *exportCommand) Run(t *terminal) error {
	base, token, err := c.resolve(t)
	if err != nil {
		return err
	}
	target := base + "/users/" + url.PathEscape(c.User) + "/export"
	if c.To == "-" {
		_, err := t.export(target, token, t.stdout)
		return err
	}
	file, err := newFile(c.To, c.Force)
	if err != nil {
		return err
	}
	lines, err := t.export(target, token, file)
	if err = file.finish(err); err != nil {
		return fmt.Errorf("write the export %s: %w", c.To, err)
	}
	_, err = fmt.Fprintf(t.stdout, "export complete: %s, %d lines\n", c.To, lines)
	return err
}

// maxLine is the size of the longest line of an export: a change has a thousand IDs at most, and a
// notification about as many bytes as a body.
const maxLine = 4 << 20

// export copies an export to w, and checks that it is complete. It returns the number of lines.
func (t *terminal) export(target, token string, w io.Writer) (lines int, err error) {
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	resp, err := open(ctx, "GET", target, token, nil)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	shown := t.progress("export")
	defer shown.end()
	var last struct {
		Kind  string
		Lines int
	}
	size := int64(0)
	from := bufio.NewScanner(resp.Body)
	from.Buffer(nil, maxLine)
	for ; from.Scan(); lines++ {
		if err := json.Unmarshal(from.Bytes(), &last); err != nil {
			return lines, fmt.Errorf("read the export: %w", err)
		}
		n, err := fmt.Fprintf(w, "%s\n", from.Bytes())
		if err != nil {
			return lines, err
		}
		size += int64(n)
		shown.set(size, 0)
	}
	if err := from.Err(); err != nil {
		return lines, fmt.Errorf("read the export: %w", err)
	}
	if last.Kind != "end" || last.Lines != lines-1 {
		return lines, errors.New("the export is not complete; try again")
	}
	return lines, nil
}

type eraseCommand struct {
	client

	User string `arg:"" placeholder:"USER" help:"user to erase"`
	Yes  bool   `help:"confirm that everything about the user is removed; it cannot be undone"`
}

// Help says what an erasure leaves.
func (*eraseCommand) Help() string {
	return "Removes everything that the service keeps about the user, also from the files of the store, and closes the user's connections. " +
		"The token needs the scope notify:admin. Backups have the data until you delete them, and the journal of a cluster until the " +
		"second checkpoint afterwards: see bellhop cluster checkpoint. Revoke the user's tokens first, and stop publishing to the user: what is published later is kept."
}

// Run erases a user. It waits as long as the service needs.
func (c *eraseCommand) Run(t *terminal) error {
	base, token, err := c.resolve(t)
	if err != nil {
		return err
	}
	if !c.Yes {
		return usagef("this removes everything about the user and cannot be undone; set --yes to confirm it")
	}
	shown := t.progress("erase")
	defer shown.end()
	resp, err := open(t.ctx, "DELETE", base+"/users/"+url.PathEscape(c.User), token, nil)
	if err != nil {
		return err
	}
	if err := resp.Body.Close(); err != nil {
		return err
	}
	_, err = fmt.Fprintln(t.stdout, "erased")
	t.note("backups have the data until you delete them; in a cluster, the journal and the checkpoints have it until two more checkpoints " +
		"are written: run bellhop cluster checkpoint twice when all nodes are ready")
	return err
}
