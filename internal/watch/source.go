// Package watch follows values that may change while the service runs: files of keys,
// secrets and certificates, and key sets at a URL.
//
// A [Source] loads a value periodically and keeps the last good one. Files are compared by
// content, so a change is noticed whatever the modification time, size or inode. Only
// regular files are read, up to a maximum size, and reading never blocks the caller. A
// failure is logged once, however long it lasts.
package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bellhop/bellhop/internal/audit"
)

// ErrUnchanged is returned by Load if the value is the same as the last good one.
var ErrUnchanged = errors.New("unchanged")

// ErrEnded is returned by Reload and Ask after Run has returned.
var ErrEnded = errors.New("the source is no longer loaded")

// ErrBusy is returned by Ask if too many callers wait for a load already.
var ErrBusy = errors.New("too many requests wait for the source")

// maxWaiting is the maximum number of callers of Ask that wait for a slow load. Each holds
// a request, which clients can cause without a valid token.
const maxWaiting = 256

// Options configure a source. What, Name and Load are required.
type Options[T any] struct {
	What string // the kind of value, such as "token keys"
	Name string // the path or URL, without credentials
	Load func(context.Context) (T, error)

	// Advice is logged with a failure, and says how an operator can fix it.
	Advice string

	// Take is called with each new value after the first load, and must call Set.
	// nil: Set is called.
	Take func(context.Context, T)

	// About returns attributes of the audit line about a new value. It is called after Take,
	// and may be nil.
	About func() []slog.Attr

	// Changed is called after each new value. It may be nil.
	Changed func()

	Every  time.Duration    // between loads; 0: FilePoll
	Retry  time.Duration    // after a failed load; 0: Every
	Window time.Duration    // minimum time between loads caused by Ask
	Now    func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: none
}

// FilePoll is the time between two reads of a file.
const FilePoll = 2 * time.Second

// Source holds a value that may change. One goroutine loads it, so that concurrent requests
// share a load, and a request that is cancelled does not cancel the load of the others. Its
// methods may be called concurrently unless they say otherwise.
type Source[T any] struct {
	// Set by New, then read-only.
	o       Options[T]
	demands chan demand
	waiting atomic.Int64  // callers of Ask
	ended   chan struct{} // closed when Run has returned

	last   atomic.Pointer[T] // the last good value; nil: none yet
	mu     sync.Mutex
	status Status // guarded by mu

	// Touched by Start or Try, then by Run alone.
	err   error     // of the last load
	asked time.Time // when Ask last caused a load
}

// Status is the history of the loads of a source.
type Status struct {
	Attempted time.Time // the last load; zero: none yet
	Loaded    time.Time // the last load that succeeded; zero: none yet
	Changed   time.Time // the last load that returned a new value; zero: none yet
	Failures  uint64    // loads that failed
	Reloads   uint64    // loads that returned a new value, without the first
	Err       error     // of the last load
}

// demand is a request to load now.
type demand struct {
	always bool // false: only if Window has passed since the last load that Ask caused
	answer chan<- error
}

// New returns a source that has not been loaded.
func New[T any](o Options[T]) *Source[T] {
	if o.Every == 0 {
		o.Every = FilePoll
	}
	if o.Retry == 0 {
		o.Retry = o.Every
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.About == nil {
		o.About = func() []slog.Attr { return nil }
	}
	if o.Changed == nil {
		o.Changed = func() {}
	}
	s := &Source[T]{o: o, demands: make(chan demand), ended: make(chan struct{})}
	if o.Take == nil {
		s.o.Take = func(_ context.Context, v T) { s.Set(v) }
	}
	return s
}

// Current returns the last good value, or the zero T.
func (s *Source[T]) Current() (v T) {
	if last := s.last.Load(); last != nil {
		v = *last
	}
	return v
}

// Loaded reports whether there is a good value.
func (s *Source[T]) Loaded() bool { return s.last.Load() != nil }

// Name returns the kind of value and its path or URL, for people.
func (s *Source[T]) Name() string { return s.o.What + " of " + s.o.Name }

// Status returns the history of the loads.
func (s *Source[T]) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Set makes v the current value. Only Take may call it.
func (s *Source[T]) Set(v T) {
	s.last.Store(&v)
	s.o.Changed() // after the value is visible, so that readers of the change see it
}

// Start is the first load of a source that must be good from the beginning. It
// must not be called after Run.
func (s *Source[T]) Start(ctx context.Context) error {
	v, err := s.load(ctx)
	if err != nil {
		return fmt.Errorf("read %s: %w", s.Name(), err)
	}
	s.Set(v)
	return nil
}

// Try is the first load of a source that may be unavailable at first. A failure is logged.
// It must not be called after Run.
func (s *Source[T]) Try(ctx context.Context) { s.refresh(ctx) }

// Run loads the value periodically until ctx ends. It must be called once.
func (s *Source[T]) Run(ctx context.Context) {
	defer close(s.ended)
	timer := time.NewTimer(s.pause())
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			s.refresh(ctx)
			if s.err != nil {
				s.asked = s.o.Now() // a load for Ask would fail too
			}
			timer.Reset(s.pause())
		case d := <-s.demands:
			now := s.o.Now()
			if d.always || s.asked.IsZero() || now.Sub(s.asked) >= s.o.Window {
				s.asked = now
				s.refresh(ctx)
				timer.Reset(s.pause())
			}
			d.answer <- s.err
		}
	}
}

// Reload loads the value now and returns the error of the load. Run must be running.
func (s *Source[T]) Reload(ctx context.Context) error { return s.demand(ctx, true) }

// Ask loads the value for a request that finds it outdated, unless Ask caused a load within
// Window, and returns the error of the last load, or ErrBusy. Run must be running.
func (s *Source[T]) Ask(ctx context.Context) error {
	defer s.waiting.Add(-1)
	if s.waiting.Add(1) > maxWaiting {
		return ErrBusy
	}
	return s.demand(ctx, false)
}

func (s *Source[T]) demand(ctx context.Context, always bool) error {
	answer := make(chan error, 1)
	select {
	case s.demands <- demand{always, answer}:
	case <-s.ended:
		return ErrEnded
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Source[T]) pause() time.Duration {
	if s.err != nil {
		return s.o.Retry
	}
	return s.o.Every
}

// load loads the value once and updates the status.
func (s *Source[T]) load(ctx context.Context) (T, error) {
	v, err := s.loadSafely(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Attempted, s.status.Err = s.o.Now(), err
	switch {
	case errors.Is(err, ErrUnchanged):
		s.status.Loaded, s.status.Err = s.status.Attempted, nil
	case err == nil:
		if !s.status.Changed.IsZero() {
			s.status.Reloads++
		}
		s.status.Loaded, s.status.Changed = s.status.Attempted, s.status.Attempted
	default:
		s.status.Failures++
	}
	return v, err
}

// loadSafely returns a panic of Load as an error: a value from outside must not end the
// process.
func (s *Source[T]) loadSafely(ctx context.Context) (v T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return s.o.Load(ctx)
}

// refresh loads the value, and keeps the last good one if that fails. A failure with the
// same text as the last one is not logged again.
func (s *Source[T]) refresh(ctx context.Context) {
	v, err := s.load(ctx)
	if errors.Is(err, ErrUnchanged) {
		return
	}
	before, first := s.err, !s.Loaded()
	s.err = err
	log := s.o.Logger.With("what", s.o.What, "source", s.o.Name)
	if err != nil && s.o.Advice != "" {
		log = log.With("advice", s.o.Advice)
	}
	switch {
	case err == nil:
		s.o.Take(ctx, v)
		if before != nil {
			log.Info("source loaded again after a failure")
		}
		if !first {
			audit.Done(ctx, log, audit.Line{Action: "reload", Target: s.o.Name, IDs: s.o.About()})
		}
	case ctx.Err() != nil: // the service stops
	case before != nil && before.Error() == err.Error(): // has been logged
	case first:
		log.Warn("source cannot be loaded; no version is in use", "error", err)
	default:
		log.Warn("source cannot be loaded; the last good version stays in use", "error", err)
	}
}
