package journal

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/bellhop/bellhop/internal/archive"
)

// Restore writes the files of a checkpoint into dir, which must not exist. If it fails, dir
// does not exist. A checkpoint that is missing or damaged is refused with ErrNoCheckpoint.
func (c *Checkpoints) Restore(ctx context.Context, cp Checkpoint, dir string) error {
	if err := c.restore(ctx, cp, dir); err != nil {
		return fmt.Errorf("read the checkpoint at position %d: %w", cp.Position, err)
	}
	return nil
}

func (c *Checkpoints) restore(ctx context.Context, cp Checkpoint, dir string) (err error) {
	s, err := c.find(ctx)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return fmt.Errorf("%w: %w", ErrNoCheckpoint, err)
	}
	if err != nil {
		return err
	}
	begun := time.Now()
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	r, w := io.Pipe()
	downloaded := make(chan error, 1)
	go func() {
		err := c.download(ctx, s, cp, w)
		_ = w.CloseWithError(err) // never fails
		downloaded <- err
	}()
	err = archive.Extract(r, dir)
	if errors.Is(err, archive.ErrMalformed) {
		err = fmt.Errorf("%w: %w", ErrNoCheckpoint, err)
	}
	_ = r.CloseWithError(err) // ends the download, if it has not ended
	if downloadErr := <-downloaded; downloadErr != nil {
		return downloadErr
	}
	if err != nil {
		return err
	}
	c.options.Logger.Info("checkpoint read", "position", cp.Position, "sequence", uint64(cp.Sequence),
		"bytes", cp.Bytes, "seconds", time.Since(begun).Seconds())
	return nil
}

// download writes the archive of a checkpoint to w. When it returns nil, the checksum was
// right.
func (c *Checkpoints) download(ctx context.Context, s jetstream.Stream, cp Checkpoint, w io.Writer) error {
	sum := sha256.New()
	next, size, logged := uint64(1), uint64(0), time.Now()
	for range cp.object.Chunks {
		m, err := c.chunk(ctx, s, cp.object.NUID, next)
		if err != nil {
			return err
		}
		sum.Write(m.Data)
		if _, err := w.Write(m.Data); err != nil {
			return err
		}
		next, size = m.Sequence+1, size+uint64(len(m.Data))
		if time.Since(logged) >= progressEvery {
			logged = time.Now()
			c.options.Logger.Info("reading a checkpoint", "position", cp.Position, "bytes", size, "of", cp.object.Size)
		}
	}
	if digest := "SHA-256=" + base64.URLEncoding.EncodeToString(sum.Sum(nil)); size != cp.object.Size || digest != cp.object.Digest {
		return fmt.Errorf("%w: it has %d bytes with the checksum %s, and its record says %d and %s",
			ErrNoCheckpoint, size, digest, cp.object.Size, cp.object.Digest)
	}
	return nil
}

// lagging is how long a replica may lack a message that another one has.
const lagging = 2 * time.Second

// chunk returns the first chunk of an object at or after a sequence of the object store.
func (c *Checkpoints) chunk(ctx context.Context, s jetstream.Stream, id string, from uint64) (m *jetstream.RawStreamMsg, err error) {
	begun := time.Now()
	err = persist(ctx, func(ctx context.Context) (err error) {
		m, err = s.GetMsg(ctx, from, jetstream.WithGetMsgSubject(c.subject("C", id)))
		if errors.Is(err, jetstream.ErrMsgNotFound) && time.Since(begun) > lagging {
			err = fmt.Errorf("%w: a chunk is missing", ErrNoCheckpoint)
		}
		return err
	})
	return m, err
}
