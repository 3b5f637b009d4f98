package journal

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bellhop/bellhop/internal/archive"
)

// chunkBytes is the size of a chunk: a quarter of the largest message of a NATS server with
// default settings.
const chunkBytes = 256 << 10

// How often a chunk is repeated. An election takes up to ten seconds.
const (
	chunkTimeout = 5 * time.Second
	chunkPause   = 250 * time.Millisecond
	chunkStalled = time.Minute // without a success: the upload or download has failed
)

// progressEvery is the interval of log lines about a long upload or download.
const progressEvery = 10 * time.Second

// Write archives the directory dir as a checkpoint, reads it back, and returns it. about says
// what the directory contains: its journal, position, sequence and node. If Write fails, no
// checkpoint is listed.
func (c *Checkpoints) Write(ctx context.Context, dir string, about Checkpoint) (Checkpoint, error) {
	cp, err := c.write(ctx, dir, about)
	if err != nil {
		return cp, fmt.Errorf("write a checkpoint at position %d: %w", about.Position, err)
	}
	return cp, nil
}

func (c *Checkpoints) write(ctx context.Context, dir string, cp Checkpoint) (_ Checkpoint, err error) {
	s, err := c.findOrCreate(ctx)
	if err != nil {
		return cp, err
	}
	begun := time.Now()
	cp.object = jetstream.ObjectInfo{Bucket: c.bucket(), NUID: rand.Text(), ObjectMeta: jetstream.ObjectMeta{
		Name: fmt.Sprintf("%d.%s", cp.Position, cp.Journal),
		Opts: &jetstream.ObjectMetaOptions{ChunkSize: chunkBytes},
		Metadata: map[string]string{
			metaFormat: checkpointFormat, metaJournal: cp.Journal, metaNode: cp.Node,
			metaPosition: strconv.FormatUint(cp.Position, 10), metaSequence: strconv.FormatUint(uint64(cp.Sequence), 10),
		},
	}}
	replaced, hadOne, err := readRecord(ctx, s, c.record(cp.object.Name))
	if err != nil {
		return cp, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.removeFailed(ctx, s, cp))
		}
	}()
	if err := c.uploadDir(ctx, dir, &cp); err != nil {
		return cp, err
	}
	if err := c.download(ctx, s, cp, io.Discard); err != nil {
		return cp, fmt.Errorf("read it back: %w", err)
	}
	if cp.Written, err = c.putRecord(ctx, cp); err != nil {
		return cp, err
	}
	c.options.Logger.Info("checkpoint written", "position", cp.Position, "sequence", uint64(cp.Sequence),
		"bytes", cp.Bytes, "seconds", time.Since(begun).Seconds())
	if hadOne {
		err := s.Purge(ctx, jetstream.WithPurgeSubject(c.subject("C", replaced.object.NUID)))
		if err != nil { // Prune repeats it
			c.options.Logger.Warn("chunks of a replaced checkpoint cannot be deleted", "error", err)
		}
	}
	return cp, nil
}

// uploadDir uploads the archive of dir, and sets size and checksum of cp.
func (c *Checkpoints) uploadDir(ctx context.Context, dir string, cp *Checkpoint) error {
	r, w := io.Pipe()
	packed := make(chan error, 1)
	go func() {
		err := archive.Write(w, dir)
		_ = w.CloseWithError(err) // never fails
		packed <- err
	}()
	err := c.upload(ctx, r, cp)
	_ = r.CloseWithError(err) // ends archive.Write, if it has not ended
	if packErr := <-packed; err == nil {
		err = packErr
	}
	return err
}

// upload publishes what r has, chunk by chunk.
func (c *Checkpoints) upload(ctx context.Context, r io.Reader, cp *Checkpoint) error {
	sum := sha256.New()
	chunk := make([]byte, chunkBytes)
	logged := time.Now()
	for {
		n, err := io.ReadFull(r, chunk)
		if n > 0 {
			id := fmt.Sprintf("%s.%d", cp.object.NUID, cp.object.Chunks)
			if err := c.publish(ctx, &nats.Msg{Subject: c.subject("C", cp.object.NUID), Data: chunk[:n]}, id); err != nil {
				return err
			}
			sum.Write(chunk[:n])
			cp.object.Chunks++
			cp.object.Size += uint64(n)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			cp.Bytes = cp.object.Size
			cp.object.Digest = "SHA-256=" + base64.URLEncoding.EncodeToString(sum.Sum(nil))
			return nil
		}
		if err != nil {
			return err
		}
		if time.Since(logged) >= progressEvery {
			logged = time.Now()
			c.options.Logger.Info("writing a checkpoint", "position", cp.Position, "bytes", cp.object.Size)
		}
	}
}

// publish stores a message, and repeats it under the same ID, so that it is stored once.
func (c *Checkpoints) publish(ctx context.Context, m *nats.Msg, id string) error {
	return persist(ctx, func(ctx context.Context) error {
		_, err := c.js.PublishMsg(ctx, m, jetstream.WithMsgID(id), jetstream.WithExpectStream("OBJ_"+c.bucket()))
		return err
	})
}

// putRecord writes the record of cp, which completes it, and returns the time of the record.
func (c *Checkpoints) putRecord(ctx context.Context, cp Checkpoint) (time.Time, error) {
	data, err := json.Marshal(cp.object)
	if err != nil {
		return time.Time{}, err
	}
	m := &nats.Msg{Subject: c.record(cp.object.Name), Data: data, Header: nats.Header{}}
	m.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject) // it replaces an earlier record of this name
	return time.Now(), c.publish(ctx, m, cp.object.NUID)
}

// record returns the subject of the record of an object.
func (c *Checkpoints) record(name string) string {
	return c.subject("M", base64.URLEncoding.EncodeToString([]byte(name)))
}

// removeFailed deletes what a failed upload has stored, even if ctx has ended. The last message
// of the upload may still be on its way, and a purge could overtake it. So an empty message is
// stored first: the server keeps the order of messages of one connection.
func (c *Checkpoints) removeFailed(ctx context.Context, s jetstream.Stream, cp Checkpoint) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), chunkTimeout)
	defer cancel()
	err := c.publish(ctx, &nats.Msg{Subject: c.subject("C", cp.object.NUID)}, cp.object.NUID+".failed")
	if err == nil {
		err = c.removeRecord(ctx, s, cp)
	}
	if err == nil {
		err = s.Purge(ctx, jetstream.WithPurgeSubject(c.subject("C", cp.object.NUID)))
	}
	if err != nil { // Prune repeats it
		return fmt.Errorf("delete what was stored of the failed checkpoint: %w", err)
	}
	return nil
}

// removeRecord deletes the record of cp, unless the record is now that of another upload.
func (c *Checkpoints) removeRecord(ctx context.Context, s jetstream.Stream, cp Checkpoint) error {
	subject := c.record(cp.object.Name)
	stored, ok, err := readRecord(ctx, s, subject)
	if err != nil || !ok || stored.object.NUID != cp.object.NUID {
		return err
	}
	return s.Purge(ctx, jetstream.WithPurgeSubject(subject))
}

// persist calls do until it succeeds, fails for good, or has failed for chunkStalled.
func persist(ctx context.Context, do func(context.Context) error) error {
	begun := time.Now()
	for {
		attempt, cancel := context.WithTimeout(ctx, chunkTimeout)
		err := do(attempt)
		cancel()
		if err == nil || ctx.Err() != nil || isFinal(err) || time.Since(begun) >= chunkStalled {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(chunkPause):
		}
	}
}

// isFinal reports whether repeating a request cannot help: the servers have refused it for a
// reason other than a missing leader. A replica that lags may not have a message yet.
func isFinal(err error) bool {
	if errors.Is(err, nats.ErrMaxPayload) || errors.Is(err, nats.ErrConnectionClosed) || errors.Is(err, ErrNoCheckpoint) {
		return true
	}
	var refused *jetstream.APIError
	return errors.As(err, &refused) && refused.Code != http.StatusServiceUnavailable && !errors.Is(err, jetstream.ErrMsgNotFound)
}
