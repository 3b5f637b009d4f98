package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

const (
	filePoll      = 2 * time.Second  // between looks at a key file
	urlRefresh    = 5 * time.Minute  // between fetches while all is well
	unknownWindow = 30 * time.Second // between fetches for the sake of unknown keys, or after a failed one
	fetchTimeout  = 5 * time.Second
	maxSetBytes   = 1 << 20 // of a file or a response with keys
	maxSetKeys    = 100     // so that a token without a kid costs a bounded number of tries
)

// errUnchanged is what a load returns when the keys are as they were.
var errUnchanged = errors.New("unchanged")

// source holds keys that change while the service runs. One goroutine loads
// them, so that a request that has gone away takes no fetch with it and many
// that ask at once share one. It knows neither JSON nor HTTP.
type source struct {
	// Set before run, then read-only.
	name   string // for people; holds no credentials
	load   func(context.Context) ([]key, error)
	every  time.Duration // between loads
	retry  time.Duration // after a failed one
	now    func() time.Time
	logger *slog.Logger
	ask    chan chan<- error
	ended  chan struct{} // closed when run has returned

	keys    atomic.Pointer[[]key] // the last good ones; nil: none yet
	version atomic.Uint64         // of keys: one more whenever they change

	// Touched by start, then by run alone.
	err   error     // of the last load
	asked time.Time // when an unknown key last caused one
}

func newSource(name string, o Options) *source {
	return &source{
		name:   name,
		every:  filePoll,
		retry:  filePoll,
		now:    o.Now,
		logger: o.Logger,
		ask:    make(chan chan<- error),
		ended:  make(chan struct{}),
	}
}

func (s *source) current() []key {
	if keys := s.keys.Load(); keys != nil {
		return *keys
	}
	return nil
}

// start is the first load of a source that must have keys from the beginning.
func (s *source) start(ctx context.Context) error {
	keys, err := s.load(ctx)
	if err != nil {
		return fmt.Errorf("read token keys of %s: %w", s.name, err)
	}
	s.set(keys)
	return nil
}

func (s *source) set(keys []key) {
	s.keys.Store(&keys)
	s.version.Add(1) // after the keys: what was verified before has an older version
}

// run follows the keys until ctx ends.
func (s *source) run(ctx context.Context) {
	defer close(s.ended)
	timer := time.NewTimer(s.pause())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			s.refresh(ctx)
			timer.Reset(s.pause())
		case answer := <-s.ask:
			if now := s.now(); s.asked.IsZero() || now.Sub(s.asked) >= unknownWindow {
				s.asked = now
				s.refresh(ctx)
			}
			answer <- s.err
		}
	}
}

func (s *source) pause() time.Duration {
	if s.err != nil {
		return s.retry
	}
	return s.every
}

// refresh loads the keys; the old ones stay if it cannot. A failure that goes
// on as it was is logged once.
func (s *source) refresh(ctx context.Context) {
	keys, err := s.load(ctx)
	if errors.Is(err, errUnchanged) {
		return
	}
	before := s.err
	s.err = err
	switch {
	case err == nil:
		s.set(keys)
		if before != nil {
			s.logger.Info("token keys can be read again", "source", s.name, "keys", len(keys))
		}
	case ctx.Err() != nil: // the service stops
	case before == nil || before.Error() != err.Error():
		s.logger.Warn("token keys cannot be read; the last good ones stay", "source", s.name, "error", err)
	}
}

// lookAgain has the keys loaded for the sake of one that is unknown, unless
// that was done within unknownWindow, and returns what the last load came to.
func (s *source) lookAgain(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case s.ask <- answer:
	case <-s.ended:
		return errors.New("the verifier is closed")
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-answer: // comes within fetchTimeout
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fileSource follows the file at path, looking at its contents only when its
// time or size changed.
func fileSource(path string, o Options, parse func([]byte) ([]key, error)) *source {
	s := newSource(path, o)
	var seen os.FileInfo // touched by load alone
	s.load = func(context.Context) ([]key, error) {
		info, err := os.Stat(path)
		if err != nil {
			seen = nil
			return nil, err
		}
		if seen != nil && os.SameFile(seen, info) && seen.ModTime().Equal(info.ModTime()) && seen.Size() == info.Size() {
			return nil, errUnchanged
		}
		seen = info
		data, err := readFile(path)
		if err != nil {
			return nil, err
		}
		return parse(data)
	}
	return s
}

func pemFile(o Options) *source {
	return fileSource(o.PublicKeyFile, o, func(data []byte) ([]key, error) { return parsePEM(data, o.Algorithms) })
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSetBytes+1))
	if err == nil && len(data) > maxSetBytes {
		err = fmt.Errorf("it has more than %d bytes", maxSetBytes)
	}
	return data, err
}
