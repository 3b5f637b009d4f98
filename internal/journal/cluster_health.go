package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// Limits of a node that is ready, and times of its checks.
const (
	maxLag       = 2 * time.Second
	maxClockSkew = 2 * time.Second
	outOfContact = 2 * time.Second // a shorter interruption is not reported
	silentAfter  = 8 * time.Second // without a message of any node
	probeAfter   = 3 * time.Second // the same, and up to probeJitter more
	probeJitter  = 2 * time.Second
	probeEvery   = 10 * time.Second // while the clock is wrong
	leaveEvery   = 10 * time.Second // a server through which no message comes
	cutOffAfter  = 30 * time.Second
	checkEvery   = 250 * time.Millisecond
)

// health says whether this node follows the journal closely. Setters of its fields are
// called by the follower and the applier; run evaluates them.
type health struct {
	look      func() connState // may wait for the connection
	reconnect func() error     // to another server
	stream    string
	cutOff    func(error)
	logger    *slog.Logger

	verdict atomic.Pointer[error]     // of ready; nil: ready
	conn    atomic.Pointer[connState] // from look; not nil

	mu       sync.Mutex // guards all below
	follows  bool
	lost     time.Time // when contact with the stream was lost; zero: it was not
	began    bool      // the stream was followed at least once
	left     time.Time // when the node last left a server since no message came
	cause    error     // why the stream is not followed
	final    error     // why it is not followed any longer
	misfit   error     // why the stream cannot be the journal any longer, although it is followed
	reported bool      // cutOff was called in this outage

	arrived   time.Time // when the last message arrived
	busySince time.Time // arrival of the oldest message that is being applied; zero: none is
	last      time.Time // time of the last applied message
	behind    bool      // there were messages after that one
	fullSince time.Time // when the servers first refused a message since the stream is full; zero: they did not

	skew       time.Duration // of the clock of this node: it is at least as much ahead of the stream's
	clockWrong bool
}

// refresh asks the connection for its state.
func (h *health) refresh() {
	s := h.look()
	h.conn.Store(&s)
}

func newHealth(o ClusterOptions) *health {
	h := &health{look: func() connState { return lookAt(o.Conn) }, reconnect: o.Conn.ForceReconnect, stream: o.Stream, cutOff: o.CutOff, logger: o.Logger, lost: time.Now()}
	h.refresh()
	starting := unavailable("this node has not reached the journal yet")
	h.verdict.Store(&starting)
	return h
}

func unavailable(format string, args ...any) error {
	return notify.Unavailable(notify.CauseJournal, format, args...)
}

func (h *health) ready() error {
	if err := h.verdict.Load(); err != nil {
		return *err
	}
	return nil
}

// following says that messages arrive.
func (h *health) following() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.follows {
		h.logger.Info("following the journal", "stream", h.stream)
	}
	now := time.Now()
	h.follows, h.began, h.cause, h.arrived = true, true, nil, now
	h.checkLocked(now)
}

// notFollowing says that messages cannot be received for the moment.
func (h *health) notFollowing(cause error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cause == nil || h.cause.Error() != cause.Error() {
		h.logger.Warn("the journal cannot be followed; trying again", "stream", h.stream, "error", cause)
	}
	h.follows, h.cause = false, cause
	h.checkLocked(time.Now())
}

func (h *health) isFollowing() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.follows
}

// stop says that the journal is not followed any longer.
func (h *health) stop(why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.final != nil {
		return
	}
	h.logger.Error("this node has stopped following the journal", "stream", h.stream, "error", why)
	h.final, h.follows = why, false
	h.checkLocked(time.Now())
}

// stoppedBy returns why the journal is not followed any longer, nil if it is.
func (h *health) stoppedBy() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.final
}

// applying says that a batch is being applied whose first message arrived at a time.
func (h *health) applying(arrived time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.busySince = arrived
}

// silence returns how long no message has arrived.
func (h *health) silence() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Since(h.arrived)
}

// applied says that all messages up to r are applied.
func (h *health) applied(r *received) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.busySince, h.last, h.behind, h.arrived = time.Time{}, r.time, r.behind > 0, r.arrived
	if !h.fullSince.IsZero() && r.arrived.After(h.fullSince) {
		h.logger.Info("the journal is no longer full", "stream", h.stream)
		h.fullSince = time.Time{}
	}
}

// full says that the leader of the stream has refused a message since the stream is full. This
// node is not cut off then: its connections can still resume and list.
func (h *health) full() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.arrived = time.Now()
	if h.fullSince.IsZero() {
		h.logger.Error("the journal is full; raise max_bytes of the stream, or the disk that JetStream may use", "stream", h.stream)
		h.fullSince = h.arrived
	}
}

// clock compares the clock of this node with that of the stream's leader, by a message that
// the leader stored after it was sent, if it was sent by this node, and before it arrived.
func (h *health) clock(sent time.Time, r *received) {
	after := r.arrived.Sub(r.time) // of the difference of the clocks, this is the upper bound
	var before time.Duration       // and this the lower bound
	switch {
	case !sent.IsZero():
		before = sent.Sub(r.time)
	case after < -maxClockSkew:
		before = after
	default: // an old message says nothing
		return
	}
	skew := min(max(0, before), after)
	h.mu.Lock()
	defer h.mu.Unlock()
	wrong := skew > maxClockSkew || skew < -maxClockSkew
	switch {
	case wrong && !h.clockWrong:
		h.logger.Error("the clock of this node differs from that of the servers of the journal; synchronise the clocks", "ahead", skew.String())
	case !wrong && h.clockWrong:
		h.logger.Info("the clock of this node is right again", "ahead", skew.String())
	}
	h.skew, h.clockWrong = skew, wrong
}

func (h *health) isClockWrong() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.clockWrong
}

// run evaluates the state until ctx ends, and calls cutOff.
func (h *health) run(ctx context.Context) {
	var watching sync.WaitGroup
	defer watching.Wait()
	watching.Go(func() {
		for ctx.Err() == nil {
			h.refresh()
			sleep(ctx, checkEvery)
		}
	})
	ticker := time.NewTicker(checkEvery)
	defer ticker.Stop()
	for ctx.Err() == nil {
		if why := h.check(time.Now()); why != nil {
			h.cutOff(why)
		}
		if h.leaves(time.Now()) {
			if err := h.reconnect(); err != nil {
				h.logger.Warn("connecting to another NATS server failed", "error", err)
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}

// leaves reports whether the node should connect to another server: the one that it has is
// perhaps cut off from the majority.
func (h *health) leaves(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	since := h.arrived
	if !h.follows {
		since = h.lost
	}
	// Another server would say the same about a stream that does not exist or is not the journal.
	if errors.Is(h.cause, ErrStream) || errors.Is(h.cause, ErrNoStream) {
		return false
	}
	if h.final != nil || now.Sub(since) < silentAfter || now.Sub(h.left) < leaveEvery || !h.conn.Load().connected {
		return false
	}
	h.logger.Warn("no message comes back from the stream; connecting to another NATS server", "stream", h.stream, "silent", now.Sub(since).String())
	h.left = now
	return true
}

// check evaluates the state, and returns an error if cutOff is to be called with it.
func (h *health) check(now time.Time) (cutOff error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checkLocked(now)
	switch {
	case h.reported:
		h.reported = h.final != nil || !h.lost.IsZero()
	case h.final != nil:
		h.reported = true
		return h.final
	case h.began && !h.lost.IsZero() && now.Sub(h.lost) >= cutOffAfter:
		h.reported = true
		h.logger.Error("this node is cut off from the journal; its connections are closed", "stream", h.stream, "since", h.lost)
		return fmt.Errorf("cut off from the journal: %w", h.causeLocked())
	}
	return nil
}

var (
	errNotConnected = errors.New("no connection to NATS")
	errSilent       = errors.New("no message comes back from the stream; do the NATS servers have a majority?")
)

func (h *health) causeLocked() error {
	switch conn := h.conn.Load(); {
	case !conn.connected && conn.err != nil:
		return fmt.Errorf("%w: %w", errNotConnected, conn.err)
	case !conn.connected:
		return errNotConnected
	case h.cause != nil:
		return h.cause
	}
	return errSilent
}

func (h *health) checkLocked(now time.Time) {
	switch connected := h.follows && h.conn.Load().connected; {
	case connected && now.Sub(h.arrived) < silentAfter:
		h.lost = time.Time{}
	case !h.lost.IsZero():
	case connected:
		h.lost = h.arrived
	default:
		h.lost = now
	}
	err := h.faultLocked(now)
	if err == nil {
		h.verdict.Store(nil)
		return
	}
	h.verdict.Store(&err)
}

// faultLocked returns why this node is not ready, nil if it is.
func (h *health) faultLocked(now time.Time) error {
	switch lag := h.lagLocked(now); {
	case h.final != nil:
		return unavailable("this node has stopped following the journal: %v", h.final)
	case h.cutOffLocked(now):
		return unavailable("this node is cut off from the journal: %v", h.causeLocked())
	case !h.fullSince.IsZero():
		return errFull()
	case h.misfit != nil:
		return unavailable("%v", h.misfit)
	case h.clockWrong:
		return unavailable("the clock of this node differs by %v from that of the journal", h.skew.Abs().Round(time.Millisecond))
	case lag > maxLag:
		return unavailable("this node is %v behind the journal", lag.Round(time.Second/10))
	}
	return nil
}

// cutOffLocked reports whether this node is out of contact with the stream.
func (h *health) cutOffLocked(now time.Time) bool {
	return !h.lost.IsZero() && (!h.began || now.Sub(h.lost) >= outOfContact)
}

// lagLocked returns by how much this node is behind the stream.
func (h *health) lagLocked(now time.Time) (lag time.Duration) {
	if h.behind {
		lag = now.Sub(h.last) - h.skew
	}
	if !h.busySince.IsZero() {
		lag = max(lag, now.Sub(h.busySince))
	}
	return lag
}

// probe sends a message without entries when no message has arrived for a while, until ctx
// ends. It comes back only if a majority of the servers has stored it. Heartbeats prove less:
// a server without a majority sends them, too, and a node that listens to it would not notice
// that it misses what others publish. In a cluster with some load there are no probes.
func (j *Cluster) probe(ctx context.Context) {
	sent := time.Now()
	for {
		sleep(ctx, max(checkEvery, probeAfter+rand.N(probeJitter)-j.health.silence())) //nolint:gosec // jitter
		if ctx.Err() != nil || j.health.stoppedBy() != nil {
			return
		}
		if j.health.silence() < probeAfter && (!j.health.isClockWrong() || time.Since(sent) < probeEvery) {
			continue
		}
		j.sendEmpty(ctx)
		sent = time.Now()
	}
}

// Full reports whether the servers have refused the last message since the stream is full.
func (j *Cluster) Full() bool {
	j.health.mu.Lock()
	defer j.health.mu.Unlock()
	return !j.health.fullSince.IsZero()
}

// ClusterStatus is the state of a node in a cluster, for operators.
type ClusterStatus struct {
	Sequence notify.Sequence // of the last applied entry
	Position notify.Position // of the last applied message
	Lag      time.Duration   // not known if CutOff
	CutOff   bool            // this node is out of contact with the stream
	Ahead    time.Duration   // of the clock of this node, as far as it is certain
	Server   string          // URL of the NATS server that this node is connected to; empty: none
	Fault    error           // why this node is not ready; nil: it is
	Stopped  error           // why it does not follow the journal any longer; nil: it does
	Witness  WitnessResult   // of the last comparison of states
	Foreign  uint64          // number of entries that were skipped: damaged, or of another program
	Newer    uint64          // the same: of a kind or a version that only a later program has
}

// Status returns the state of this node.
func (j *Cluster) Status() ClusterStatus {
	h := j.health
	s := ClusterStatus{Sequence: j.Durable(), Position: j.Position(), Fault: j.Ready(), Witness: j.witnesses.result(), Server: h.conn.Load().server}
	s.Foreign, s.Newer = j.skips.foreign.Load(), j.skips.newer.Load()
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	s.Lag, s.CutOff, s.Ahead, s.Stopped = h.lagLocked(now), h.cutOffLocked(now), h.skew, h.final
	return s
}
