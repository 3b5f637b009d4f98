package journal

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// NewIdentity returns a random identity of a journal.
func NewIdentity() string {
	var id [16]byte
	rand.Read(id[:]) // never fails: crypto/rand
	return hex.EncodeToString(id[:])
}

// ReplaceStream deletes the stream of the journal, if there is one, and creates it anew with an
// identity. Nodes that have followed one of the journals in recoveredFrom learn there that they
// must start from a checkpoint. It can be repeated: a stream with that identity stays.
func ReplaceStream(ctx context.Context, o StreamOptions, identity string, recoveredFrom []string) error {
	js, err := jetstream.New(o.Conn, jetstream.WithDefaultTimeout(requestTimeout))
	if err != nil {
		return fmt.Errorf("replace the stream %s: %w", o.Name, err)
	}
	found, err := js.Stream(ctx, o.Name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
	case err != nil:
		return fmt.Errorf("find the stream %s: %w", o.Name, err)
	case found.CachedInfo().Config.Metadata[metaIdentity] == identity:
		return nil
	default:
		if err := js.DeleteStream(ctx, o.Name); err != nil {
			return fmt.Errorf("delete the stream %s, for which the credentials of an operator are needed: %w", o.Name, err)
		}
	}
	config := streamConfig(o)
	config.Metadata[metaIdentity] = identity
	config.Metadata[metaRecoveredFrom] = strings.Join(recoveredFrom, ",")
	if _, err := js.CreateStream(ctx, config); err != nil {
		return fmt.Errorf("create the stream %s: %w", o.Name, err)
	}
	return nil
}
