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
	filePoll      = 2 * time.Second  // between looks at a file
	urlRefresh    = 5 * time.Minute  // between fetches while all is well
	unknownWindow = 30 * time.Second // between fetches for the sake of unknown keys, or after a failed one
	fetchTimeout  = 5 * time.Second
	maxSetBytes   = 1 << 20 // of a file or a response with keys
	maxSetKeys    = 100     // so that a token without a kid costs a bounded number of tries
)

// tokenKeys is what most sources hold.
const tokenKeys = "token keys"

// errUnchanged is what a load returns when all is as it was.
var errUnchanged = errors.New("unchanged")

// source holds what changes while the service runs, such as keys. One goroutine
// loads it, so that a request that has gone away takes no fetch with it and many
// that ask at once share one. It knows neither JSON nor HTTP.
type source[T any] struct {
	// Set before run, then read-only.
	what   string // is loaded, for people, such as "token keys"
	name   string // of where from, for people; holds no credentials
	load   func(context.Context) (T, error)
	take   func(context.Context, T) // what was loaded after the first; it calls set
	every  time.Duration            // between loads
	retry  time.Duration            // after a failed one
	now    func() time.Time
	logger *slog.Logger
	ask    chan chan<- error
	ended  chan struct{} // closed when run has returned

	last    atomic.Pointer[T] // that was good; nil: none yet
	version *atomic.Uint64    // one more whenever this, or what shares it, changes

	// Touched by start, then by run alone.
	err   error     // of the last load
	asked time.Time // when an unknown key last caused one
}

func newSource[T any](what, name string, o *Options) *source[T] {
	s := &source[T]{
		what:    what,
		name:    name,
		every:   filePoll,
		retry:   filePoll,
		now:     o.Now,
		logger:  o.Logger,
		ask:     make(chan chan<- error),
		ended:   make(chan struct{}),
		version: o.version,
	}
	s.take = func(_ context.Context, v T) { s.set(v) }
	return s
}

// current returns what was last good, or the zero T.
func (s *source[T]) current() (v T) {
	if last := s.last.Load(); last != nil {
		v = *last
	}
	return v
}

// start is the first load of a source that must be good from the beginning.
func (s *source[T]) start(ctx context.Context) error {
	v, err := s.load(ctx)
	if err != nil {
		return fmt.Errorf("read %s of %s: %w", s.what, s.name, err)
	}
	s.set(v)
	return nil
}

func (s *source[T]) set(v T) {
	s.last.Store(&v)
	s.version.Add(1) // afterwards: what was verified before has an older version
}

// run follows the changes until ctx ends.
func (s *source[T]) run(ctx context.Context) {
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

func (s *source[T]) pause() time.Duration {
	if s.err != nil {
		return s.retry
	}
	return s.every
}

// refresh loads what there is now; the last good stays if it cannot. A failure
// that goes on as it was is logged once.
func (s *source[T]) refresh(ctx context.Context) {
	v, err := s.load(ctx)
	if errors.Is(err, errUnchanged) {
		return
	}
	before := s.err
	s.err = err
	switch {
	case err == nil:
		s.take(ctx, v)
		if before != nil {
			s.logger.Info("what was out of reach can be read again", "what", s.what, "source", s.name)
		}
	case ctx.Err() != nil: // the service stops
	case before == nil || before.Error() != err.Error():
		s.logger.Warn("a source cannot be read; what it last held stays", "what", s.what, "source", s.name, "error", err)
	}
}

// lookAgain has the keys loaded for the sake of one that is unknown, unless
// that was done within unknownWindow, and returns what the last load came to.
func (s *source[T]) lookAgain(ctx context.Context) error {
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
func fileSource[T any](what, path string, o *Options, parse func(context.Context, []byte) (T, error)) *source[T] {
	s := newSource[T](what, path, o)
	var seen os.FileInfo // touched by load alone
	s.load = func(ctx context.Context) (v T, err error) {
		info, err := os.Stat(path)
		if err != nil {
			seen = nil
			return v, err
		}
		if seen != nil && os.SameFile(seen, info) && seen.ModTime().Equal(info.ModTime()) && seen.Size() == info.Size() {
			return v, errUnchanged
		}
		seen = info
		data, err := readFile(path)
		if err == nil {
			v, err = parse(ctx, data)
		}
		if err != nil {
			seen = nil // what it needs beside itself may come
		}
		return v, err
	}
	return s
}

func pemFile(o *Options) *source[[]key] {
	return fileSource(tokenKeys, o.PublicKeyFile, o, func(_ context.Context, data []byte) ([]key, error) { return parsePEM(data, o.Algorithms) })
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator's settings name it
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
