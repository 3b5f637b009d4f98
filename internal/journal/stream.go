package journal

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// requestTimeout bounds one request to JetStream's API.
const requestTimeout = 2 * time.Second

// duplicateWindow is the time for which the servers know the ID of a message. It is much
// longer than the time for which a message is sent again.
const duplicateWindow = 2 * time.Minute

// replicasNotSupported is the error of a NATS server that is not part of a cluster, see
// JSStreamReplicasNotSupportedErr in its errors.json.
const replicasNotSupported jetstream.ErrorCode = 10074

// heardWithin is the time within which the leader of a stream must have heard of a replica that
// counts for a majority. Replicas answer it every second.
const heardWithin = 5 * time.Second

// errNoMajority says that the answer of the servers about the stream is not relied on. Servers
// that are cut off from the others answer, too: with an old state, and for up to 20 seconds as
// the leader.
var errNoMajority = errors.New("the stream has no leader with a majority of its replicas; can the NATS servers reach each other?")

// minStreamBytes is the smallest size of a stream that an operator may configure.
const minStreamBytes = 64 << 20

// ErrStream says that a stream cannot be the journal: its configuration is another one.
// Only an operator can change that.
var ErrStream = errors.New("the stream cannot be the journal")

// ErrNoStream says that the stream of the journal, which existed before, does not exist.
var ErrNoStream = errors.New("the stream of the journal is missing; if it was lost, run bellhop cluster recover")

// StreamOptions name the stream of a cluster's journal.
type StreamOptions struct {
	Conn     *nats.Conn
	Name     string
	Replicas int

	// MustExist says that the stream is not created: a node that has followed it before
	// would otherwise hide its loss.
	MustExist bool
}

// StreamInfo describes the stream of a cluster's journal.
type StreamInfo struct {
	Journal       string // identity of the journal, see notify.Position
	RecoveredFrom string // identities of the journals that this one replaces, comma-separated
	First, Last   uint64 // sequences of messages; Last is First-1 if there are none
	Messages      uint64
	Consumers     int // number of nodes that follow it, or have done so until some seconds ago
	Bytes         uint64
	MaxBytes      int64 // the servers refuse messages beyond it; -1: no limit of the stream itself
	Replicas      int
	Leader        string // name of a server; empty: none
	Current       int    // number of replicas that have all messages, the leader included
}

// OpenStream returns the stream of the journal, and creates it if there is none. The error
// is of kind ErrStream if a stream of that name has another configuration; after any other
// error it can be tried again. Without a majority of the servers there is an error: what they
// say about the stream may be old.
func OpenStream(ctx context.Context, o StreamOptions) (StreamInfo, error) {
	js, err := jetstream.New(o.Conn, jetstream.WithDefaultTimeout(requestTimeout))
	if err != nil {
		return StreamInfo{}, fmt.Errorf("open the stream %s: %w", o.Name, err)
	}
	_, info, err := openStream(ctx, js, o)
	return info, err
}

// openStream does what OpenStream does. A request that the servers do not permit is not
// answered: the reason comes with the connection.
func openStream(ctx context.Context, js jetstream.JetStream, o StreamOptions) (jetstream.Stream, StreamInfo, error) {
	s, info, err := findStream(ctx, js, o)
	if refused := o.Conn.LastError(); errors.Is(err, context.DeadlineExceeded) && errors.Is(refused, nats.ErrPermissionViolation) {
		err = fmt.Errorf("%w: %w", err, refused)
	}
	return s, info, err
}

func findStream(ctx context.Context, js jetstream.JetStream, o StreamOptions) (jetstream.Stream, StreamInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	if o.Conn.Status() != nats.CONNECTED { // the error of a request would be about buffers
		return nil, StreamInfo{}, fmt.Errorf("open the stream %s: %w", o.Name, notConnected(o.Conn))
	}
	s, err := js.Stream(ctx, o.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) && !o.MustExist {
		s, err = js.CreateStream(ctx, streamConfig(o))
		if apiErr := (*jetstream.APIError)(nil); errors.As(err, &apiErr) && apiErr.ErrorCode == replicasNotSupported {
			return nil, StreamInfo{}, fmt.Errorf("BELLHOP_REPLICAS is %d, and that needs as many NATS servers in one cluster: %w", o.Replicas, err)
		}
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another node was faster
			s, err = js.Stream(ctx, o.Name)
		}
	}
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, StreamInfo{}, fmt.Errorf("%w: %s", ErrNoStream, o.Name)
	}
	if err != nil {
		return nil, StreamInfo{}, fmt.Errorf("open the stream %s: %w", o.Name, err)
	}
	found := s.CachedInfo()
	if !hasMajority(found) {
		return nil, StreamInfo{}, fmt.Errorf("open the stream %s: %w", o.Name, errNoMajority)
	}
	if fault := configFault(found.Config, o); fault != "" {
		return nil, StreamInfo{}, fmt.Errorf("%w: %s: %s", ErrStream, o.Name, fault)
	}
	if size, most := int64(maxMessageBytes)+messageOverhead, o.Conn.MaxPayload(); most > 0 && most < size {
		return nil, StreamInfo{}, fmt.Errorf("%w: the servers' max_payload is %d bytes, and at least %d are needed", ErrStream, most, size)
	}
	return s, streamInfo(found), nil
}

// hasMajority reports whether a leader with a majority of the replicas has described the stream.
func hasMajority(found *jetstream.StreamInfo) bool {
	if found.Config.Replicas <= 1 {
		return true
	}
	if found.Cluster == nil || found.Cluster.Leader == "" {
		return false
	}
	heard := 1 // the leader
	for _, r := range found.Cluster.Replicas {
		if !r.Offline && r.Active < heardWithin {
			heard++
		}
	}
	return heard > found.Config.Replicas/2
}

// notConnected returns an error with the reason why there is no connection.
func notConnected(c *nats.Conn) error {
	if why := c.LastError(); why != nil {
		return fmt.Errorf("%w: %w", errNotConnected, why)
	}
	return errNotConnected
}

// Names of the stream's metadata.
const (
	metaIdentity      = "bellhop-journal"
	metaRecoveredFrom = "bellhop-recovered-from"
)

func subjectOf(stream string) string { return "bellhop." + stream + ".journal" }

// streamConfig is the configuration of a stream with a new identity.
func streamConfig(o StreamOptions) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        o.Name,
		Description: "The journal of bellhop. Each message is needed by all nodes: do not delete any.",
		Subjects:    []string{subjectOf(o.Name)},
		Retention:   jetstream.LimitsPolicy,
		Storage:     jetstream.FileStorage,
		Replicas:    o.Replicas,
		Discard:     jetstream.DiscardNew,
		Duplicates:  duplicateWindow,
		DenyDelete:  true,
		MaxMsgs:     -1,
		MaxBytes:    -1,
		MaxMsgSize:  -1,
		Metadata:    map[string]string{metaIdentity: NewIdentity()},

		MaxMsgsPerSubject: -1,
		MaxConsumers:      -1,
	}
}

// configFault returns the difference to streamConfig by which a stream cannot be the
// journal; empty: it can.
func configFault(c jetstream.StreamConfig, o StreamOptions) string {
	subject := subjectOf(o.Name)
	switch id, err := hex.DecodeString(c.Metadata[metaIdentity]); {
	case len(id) != 16 || err != nil:
		return fmt.Sprintf("it was not created by bellhop: its metadata lacks %s; choose another BELLHOP_NATS_STREAM", metaIdentity)
	case len(c.Subjects) != 1 || c.Subjects[0] != subject:
		return fmt.Sprintf("its subjects are %q instead of %q", c.Subjects, subject)
	case c.Replicas != o.Replicas:
		return fmt.Sprintf("it has %d replicas, and BELLHOP_REPLICAS says %d", c.Replicas, o.Replicas)
	case c.MaxBytes > 0 && c.MaxBytes < minStreamBytes:
		return fmt.Sprintf("its max_bytes is %d; at least %d are needed", c.MaxBytes, minStreamBytes)
	case c.MaxMsgSize > 0 && c.MaxMsgSize < maxMessageBytes+messageOverhead:
		return fmt.Sprintf("its max_msg_size is %d; at least %d are needed", c.MaxMsgSize, maxMessageBytes+messageOverhead)
	case c.Duplicates < duplicateWindow:
		return fmt.Sprintf("its duplicate_window is %v; at least %v are needed", c.Duplicates, duplicateWindow)
	}
	for _, f := range []struct {
		field string
		fault bool
	}{
		{"retention must be limits", c.Retention != jetstream.LimitsPolicy},
		{"storage must be file", c.Storage != jetstream.FileStorage},
		{"discard must be new", c.Discard != jetstream.DiscardNew},
		{"max_age must be 0: checkpoints decide which messages are removed", c.MaxAge != 0},
		{"max_msgs must be unlimited", c.MaxMsgs > 0},
		{"max_msgs_per_subject must be unlimited", c.MaxMsgsPerSubject > 0},
		{"no_ack must be off", c.NoAck},
		{"it is sealed", c.Sealed},
		{"mirror and sources must be empty", c.Mirror != nil || len(c.Sources) > 0},
		{"subject_transform must be empty", c.SubjectTransform != nil},
		{"allow_rollup_hdrs must be off", c.AllowRollup},
		{"allow_msg_ttl must be off", c.AllowMsgTTL},
		{"allow_msg_counter must be off", c.AllowMsgCounter},
		{"allow_msg_schedules must be off", c.AllowMsgSchedules},
		{"persist_mode must be the default one", c.PersistMode != jetstream.DefaultPersistMode},
	} {
		if f.fault {
			return f.field
		}
	}
	return ""
}

func streamInfo(found *jetstream.StreamInfo) StreamInfo {
	info := StreamInfo{
		Journal:       found.Config.Metadata[metaIdentity],
		RecoveredFrom: found.Config.Metadata[metaRecoveredFrom],
		First:         found.State.FirstSeq,
		Last:          found.State.LastSeq,
		Messages:      found.State.Msgs,
		Consumers:     found.State.Consumers,
		Bytes:         found.State.Bytes,
		MaxBytes:      found.Config.MaxBytes,
		Replicas:      found.Config.Replicas,
		Current:       1,
	}
	if info.Messages == 0 {
		info.First = info.Last + 1
	}
	if found.Cluster != nil {
		info.Leader = found.Cluster.Leader
		for _, r := range found.Cluster.Replicas {
			if r.Current && !r.Offline {
				info.Current++
			}
		}
	}
	return info
}
