package journal

import (
	"context"
	"errors"
	"time"
)

// lookEvery is the time between two looks at the configuration of the stream.
const lookEvery = 5 * time.Second

// lookAtStream makes this node unready while the configuration of the stream, which an operator may
// change at any time, does not permit it to be the journal. A stream with max_age, for example, loses
// messages that other nodes need, and nothing else would tell. It ends with ctx.
func (j *Cluster) lookAtStream(ctx context.Context) {
	for {
		sleep(ctx, lookEvery)
		if ctx.Err() != nil || j.health.stoppedBy() != nil {
			return
		}
		if !j.health.isFollowing() {
			continue // the follower looks itself
		}
		_, _, err := openStream(ctx, j.js, StreamOptions{Conn: j.o.Conn, Name: j.o.Stream, Replicas: j.o.Replicas, MustExist: true})
		switch {
		case err == nil:
			j.health.setMisfit(nil)
		case errors.Is(err, ErrStream):
			j.health.setMisfit(err)
		} // the follower notices all other errors
	}
}

// setMisfit says why the stream cannot be the journal any longer; nil: it can.
func (h *health) setMisfit(why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case why != nil && (h.misfit == nil || h.misfit.Error() != why.Error()):
		h.logger.Error("the configuration of the stream was changed; change it back", "stream", h.stream, "error", why)
	case why == nil && h.misfit != nil:
		h.logger.Info("the configuration of the stream is right again", "stream", h.stream)
	}
	h.misfit = why
	h.checkLocked(time.Now())
}
