package httpapi

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/bellhop/bellhop/internal/audit"
	"github.com/bellhop/bellhop/internal/notify"
)

// BackupWriter writes a backup of the store. When the copy of the store is complete, it calls
// begin with the sequence of the last entry in it, writes the backup to what begin returns, and
// closes that. The context that it passes ends when the backup has to be given up; its cause is
// the reason. An error before it calls begin is a problem for the client.
type BackupWriter func(ctx context.Context, begin func(context.Context, notify.Sequence) io.WriteCloser) error

// Values of BELLHOP_BACKUPS.
const (
	BackupsLocal = "local" // only requests from this machine
	BackupsOn    = "on"    // all requests to the admin listener
)

// backupStall is the time that a client has to take each piece of a backup. A piece is 128 KiB
// at most.
const backupStall = 30 * time.Second

// backup serves GET /backup. The body is complete only if it ends as HTTP says: if the backup
// fails on the way, the connection is closed before that.
func (o *AdminOptions) backup(c echo.Context, reports *reports) error {
	if err := o.admitBackup(c.Request()); err != nil {
		return err
	}
	var to *backupBody
	err := o.Backup(c.Request().Context(), func(ctx context.Context, at notify.Sequence) io.WriteCloser {
		h := c.Response().Header()
		h.Set(echo.HeaderContentType, "application/zstd")
		h.Set(echo.HeaderContentDisposition, fmt.Sprintf(`attachment; filename="bellhop-%d.tar.zst"`, at))
		h[echo.HeaderCacheControl] = noStore
		c.Response().WriteHeader(http.StatusOK)
		to = newBackupBody(ctx, c.Response().Writer, at)
		return to
	})
	if to == nil {
		return err
	}
	ctx, line := c.Request().Context(), reports.line(c, nil)
	line.Action, line.Target, line.Operates = "backup", fmt.Sprintf("sequence %d", to.sequence), true
	line.IDs = append(line.IDs, slog.Int64("bytes", to.bytes))
	if err != nil {
		audit.DoneInPart(ctx, o.Logger, line, err)
		panic(http.ErrAbortHandler) // closes the connection, so that the client notices
	}
	audit.Done(ctx, o.Logger, line)
	return nil
}

// admitBackup returns an error unless the request may have a backup, which has everything that
// the store has: the texts of notifications, and the secrets of cursors and tickets.
func (o *AdminOptions) admitBackup(r *http.Request) error {
	switch o.Backups {
	case BackupsOn:
		return nil
	case BackupsLocal:
		if fromHere(r) {
			return nil
		}
		return notify.Errorf(notify.ErrNotFound, "only requests from the machine of the service may have a backup; BELLHOP_BACKUPS=on allows others")
	default:
		return notify.Errorf(notify.ErrNotFound, "backups are disabled; BELLHOP_BACKUPS=local enables them")
	}
}

// backupBody is the body of a backup. A client that takes nothing for backupStall, or a context
// that has ended, makes writing to it fail.
type backupBody struct {
	sequence notify.Sequence
	bytes    int64

	ctx      context.Context //nolint:containedctx // that of one request
	w        io.Writer
	deadline func(time.Time) error
	stopped  func() bool
}

func newBackupBody(ctx context.Context, w http.ResponseWriter, at notify.Sequence) *backupBody {
	deadline := http.NewResponseController(w).SetWriteDeadline
	return &backupBody{
		sequence: at, ctx: ctx, w: w, deadline: deadline,
		stopped: context.AfterFunc(ctx, func() { _ = deadline(time.Now()) }), // fails only if the connection has ended
	}
}

// Write is of io.Writer.
func (b *backupBody) Write(p []byte) (int, error) {
	if err := b.deadline(time.Now().Add(backupStall)); err != nil {
		return 0, err
	}
	if b.ctx.Err() != nil { // only now: otherwise the deadline could undo that of newBackupBody
		return 0, context.Cause(b.ctx)
	}
	n, err := b.w.Write(p)
	b.bytes += int64(n)
	if err != nil && b.ctx.Err() != nil {
		err = context.Cause(b.ctx)
	}
	return n, err
}

// Close returns why the context has ended, if it has, and takes the deadline back.
func (b *backupBody) Close() error {
	if !b.stopped() {
		return context.Cause(b.ctx)
	}
	return b.deadline(time.Time{})
}
