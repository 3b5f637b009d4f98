package journal

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// originPrefix begins the subject, among those of chunks, of a journal's origin.
const originPrefix = "origin."

// OriginEmpty is the origin of a journal whose first entry is applied to an empty store. Any
// other origin names the store to which it is applied, and of which there is, or will be, a
// checkpoint.
const OriginEmpty = "empty"

// ErrNoOrigin says that a journal has no recorded origin.
var ErrNoOrigin = errors.New("the journal has no recorded origin")

// ClaimOrigin records the origin of a journal unless it has one, and returns the recorded
// origin. JetStream accepts the first of several concurrent claims, so that two standalone
// stores cannot both become the beginning of one journal.
func (c *Checkpoints) ClaimOrigin(ctx context.Context, journal, origin string) (string, error) {
	if _, err := c.findOrCreate(ctx); err != nil {
		return "", err
	}
	subject := c.subject("C", originPrefix+journal)
	_, err := c.js.Publish(ctx, subject, []byte(origin), jetstream.WithExpectLastSequencePerSubject(0))
	var refused *jetstream.APIError
	switch {
	case err == nil:
		return origin, nil
	case errors.As(err, &refused) && refused.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence:
		return c.Origin(ctx, journal)
	default:
		return "", fmt.Errorf("record the origin of the journal: %w", err)
	}
}

// Origin returns the origin of a journal, or ErrNoOrigin.
func (c *Checkpoints) Origin(ctx context.Context, journal string) (string, error) {
	s, err := c.find(ctx)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return "", ErrNoOrigin
	}
	if err != nil {
		return "", err
	}
	m, err := s.GetLastMsgForSubject(ctx, c.subject("C", originPrefix+journal))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return "", ErrNoOrigin
	}
	if err != nil {
		return "", fmt.Errorf("read the origin of the journal: %w", err)
	}
	return string(m.Data), nil
}
