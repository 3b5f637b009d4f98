package journal

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/bellhop/bellhop/internal/notify"
)

// Checkpoints keeps checkpoints of the store in JetStream, in an object store that belongs to
// the stream. Each checkpoint is one object: an archive of a directory, in chunks, with the
// checksum of the whole. Any NATS tool can list them.
//
// The record that describes an object is written last, so that an incomplete checkpoint is
// never listed. Chunks are written and read one at a time, and each is repeated while the
// servers elect a leader. The object store of the client library can do neither: it sends up
// to 4,000 chunks at once, which would delay the journal on the same connection, and gives up
// at the first chunk that fails.
type Checkpoints struct {
	js      jetstream.JetStream
	options CheckpointOptions

	mu     sync.Mutex
	stream jetstream.Stream // of the object store; nil until it was found
}

// CheckpointOptions configure Checkpoints.
type CheckpointOptions struct {
	Stream   string // name of the journal's stream
	Replicas int    // of the object store, when it is created
	Logger   *slog.Logger
}

// Checkpoint describes a copy of the store at one position of the journal.
type Checkpoint struct {
	Journal  string          // identity of the journal
	Position uint64          // sequence of the last message of the stream that it contains
	Sequence notify.Sequence // of the last entry that it contains
	Node     string          // that wrote it
	Bytes    uint64          // in the object store
	Written  time.Time

	object jetstream.ObjectInfo
}

// ErrNoCheckpoint says that a checkpoint is not in the object store, or is damaged there.
var ErrNoCheckpoint = errors.New("the checkpoint is missing or damaged")

// Names of the metadata of an object.
const (
	metaFormat   = "bellhop-format"
	metaJournal  = "bellhop-journal"
	metaPosition = "bellhop-position"
	metaSequence = "bellhop-sequence"
	metaNode     = "bellhop-node"
)

// checkpointFormat names the content of an object: a tar archive, compressed with zstd.
const checkpointFormat = "tar+zstd/1"

// NewCheckpoints returns the checkpoints of a stream. The object store is created when
// something is first written to it.
func NewCheckpoints(conn *nats.Conn, o CheckpointOptions) (*Checkpoints, error) {
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, fmt.Errorf("open the checkpoints of the stream %s: %w", o.Stream, err)
	}
	return &Checkpoints{js: js, options: o}, nil
}

func (c *Checkpoints) bucket() string { return bucketOf(c.options.Stream) }

// bucketOf returns the name of the bucket with the checkpoints of a stream.
func bucketOf(stream string) string { return stream + "_CHECKPOINTS" }

// subject returns a subject of the object store. Chunks have the kind "C" and the ID of their
// object, records have the kind "M" and the name of their object in base64.
func (c *Checkpoints) subject(kind, of string) string {
	return "$O." + c.bucket() + "." + kind + "." + of
}

// find returns the stream of the object store, or ErrBucketNotFound.
func (c *Checkpoints) find(ctx context.Context) (jetstream.Stream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stream != nil {
		return c.stream, nil
	}
	s, err := c.js.Stream(ctx, "OBJ_"+c.bucket())
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fmt.Errorf("%w: %s", jetstream.ErrBucketNotFound, c.bucket())
	}
	if err != nil {
		return nil, fmt.Errorf("find the object store %s: %w", c.bucket(), err)
	}
	c.stream = s
	return s, nil
}

// findOrCreate returns the stream of the object store, which it creates if there is none.
func (c *Checkpoints) findOrCreate(ctx context.Context) (jetstream.Stream, error) {
	s, err := c.find(ctx)
	if !errors.Is(err, jetstream.ErrBucketNotFound) {
		return s, err
	}
	_, err = c.js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{
		Bucket:      c.bucket(),
		Description: "Checkpoints of the journal " + c.options.Stream,
		Storage:     jetstream.FileStorage,
		Replicas:    c.options.Replicas,
	})
	if err != nil && !errors.Is(err, jetstream.ErrBucketExists) {
		return nil, fmt.Errorf("create the object store %s: %w", c.bucket(), err)
	}
	return c.find(ctx)
}

// forget makes the next call look for the object store again, after an operator deleted it.
func (c *Checkpoints) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stream = nil
}

// List returns all complete checkpoints of a journal, the newest first. Without an identity
// it returns those of every journal that the stream has had.
func (c *Checkpoints) List(ctx context.Context, journal string) ([]Checkpoint, error) {
	s, err := c.find(ctx)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	subjects, err := c.subjects(ctx, s, "M")
	if err != nil {
		return nil, err
	}
	var all []Checkpoint
	for _, subject := range subjects {
		cp, ok, err := readRecord(ctx, s, subject)
		if err != nil {
			return nil, fmt.Errorf("read the record of a checkpoint: %w", err)
		}
		if ok && (journal == "" || cp.Journal == journal) {
			all = append(all, cp)
		}
	}
	slices.SortFunc(all, func(a, b Checkpoint) int {
		return cmp.Or(cmp.Compare(b.Position, a.Position), b.Written.Compare(a.Written))
	})
	return all, nil
}

// subjects returns the subjects of one kind that have messages.
func (c *Checkpoints) subjects(ctx context.Context, s jetstream.Stream, kind string) ([]string, error) {
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(c.subject(kind, ">")))
	if errors.Is(err, jetstream.ErrStreamNotFound) { // it was deleted
		c.forget()
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the object store %s: %w", c.bucket(), err)
	}
	var subjects []string
	for subject := range info.State.Subjects {
		subjects = append(subjects, subject)
	}
	return subjects, nil
}

// readRecord reads the record of an object. ok is false if it was deleted or is not a
// checkpoint.
func readRecord(ctx context.Context, s jetstream.Stream, subject string) (cp Checkpoint, ok bool, err error) {
	m, err := s.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return cp, false, nil
	}
	if err != nil {
		return cp, false, err
	}
	ok = cp.decode(m)
	return cp, ok, nil
}

// decode reads the record of an object, and reports whether the object is a checkpoint.
func (cp *Checkpoint) decode(m *jetstream.RawStreamMsg) bool {
	if json.Unmarshal(m.Data, &cp.object) != nil || cp.object.Deleted {
		return false
	}
	meta := cp.object.Metadata
	position, err1 := strconv.ParseUint(meta[metaPosition], 10, 64)
	sequence, err2 := strconv.ParseUint(meta[metaSequence], 10, 64)
	cp.Journal, cp.Node = meta[metaJournal], meta[metaNode]
	cp.Position, cp.Sequence = position, notify.Sequence(sequence)
	cp.Bytes, cp.Written = cp.object.Size, m.Time
	return meta[metaFormat] == checkpointFormat && errors.Join(err1, err2) == nil
}

// abandoned is the age from which the chunks of an object without a record belong to an
// upload that was interrupted. A later chunk would be younger.
const abandoned = time.Hour

// Prune deletes all checkpoints of a journal but the newest ones, and chunks of uploads that
// were interrupted.
func (c *Checkpoints) Prune(ctx context.Context, journal string, keep int) error {
	s, err := c.find(ctx)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	all, err := c.List(ctx, "")
	if err != nil {
		return err
	}
	complete := map[string]bool{}
	for _, cp := range all {
		if cp.Journal == journal {
			keep--
		}
		if cp.Journal != journal || keep >= 0 {
			complete[cp.object.NUID] = true
			continue
		}
		if err := c.remove(ctx, s, cp); err != nil {
			return err
		}
	}
	return c.removeAbandoned(ctx, s, complete)
}

// remove deletes a checkpoint: the record first, so that it is listed no more.
func (c *Checkpoints) remove(ctx context.Context, s jetstream.Stream, cp Checkpoint) error {
	for _, subject := range []string{c.record(cp.object.Name), c.subject("C", cp.object.NUID)} {
		if err := s.Purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
			return fmt.Errorf("delete the checkpoint %s: %w", cp.object.Name, err)
		}
	}
	c.options.Logger.Info("checkpoint deleted", "position", cp.Position, "sequence", uint64(cp.Sequence))
	return nil
}

func (c *Checkpoints) removeAbandoned(ctx context.Context, s jetstream.Stream, complete map[string]bool) error {
	subjects, err := c.subjects(ctx, s, "C")
	if err != nil {
		return err
	}
	for _, subject := range subjects {
		id := strings.TrimPrefix(subject, c.subject("C", ""))
		if complete[id] || strings.HasPrefix(id, originPrefix) {
			continue
		}
		newest, err := s.GetLastMsgForSubject(ctx, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && time.Since(newest.Time) < abandoned {
			continue
		}
		if err == nil {
			err = s.Purge(ctx, jetstream.WithPurgeSubject(subject))
		}
		if err != nil {
			return fmt.Errorf("delete chunks without a checkpoint: %w", err)
		}
	}
	return nil
}

// PurgeJournal deletes the messages of a journal before a position, which a checkpoint has. The
// message at the position stays, since a node that starts from the checkpoint compares it.
func (c *Checkpoints) PurgeJournal(ctx context.Context, journal string, position uint64) error {
	s, err := c.js.Stream(ctx, c.options.Stream)
	if err != nil {
		return fmt.Errorf("purge the journal: %w", err)
	}
	info := streamInfo(s.CachedInfo())
	if info.Journal != journal || position <= info.First {
		return nil
	}
	if err := s.Purge(ctx, jetstream.WithPurgeSequence(position)); err != nil {
		return fmt.Errorf("purge the journal: %w", err)
	}
	c.options.Logger.Info("messages of the journal were deleted; the checkpoints contain their changes", "from", info.First, "before", position)
	return nil
}
