// Package watch follows what may change while the service runs: files of keys,
// secrets and certificates, and what is fetched from a URL.
//
// A [Source] loads a value again and again and keeps the last good one. Files
// are compared by their content, so a change is found whatever the time, size or
// inode of the file says. A file is read only if it is a regular one, within a
// bound, and without ever waiting for its other end. A failure is logged once,
// however long it lasts.
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
)

// ErrUnchanged is what a load returns if the value is the one that it returned
// last.
var ErrUnchanged = errors.New("unchanged")

// ErrEnded is what a caller gets who asks a source that no longer runs.
var ErrEnded = errors.New("the source is no longer followed")

// ErrBusy is what Ask returns if too many callers wait for a load already.
var ErrBusy = errors.New("too many wait for the source")

// maxWaiting bounds the callers of Ask that wait for a slow load: each holds a
// request, and strangers can cause it.
const maxWaiting = 256

// Options describe a source. What, Name and Load are required.
type Options[T any] struct {
	What string // what is loaded, in the plural, such as "token keys"
	Name string // where it comes from; holds no credentials
	Load func(context.Context) (T, error)

	// Advice says what an operator can do about a failure; it is logged with it.
	Advice string

	// Take is called with what was loaded after the first load and must call Set.
	// nil: Set alone.
	Take func(context.Context, T)

	// Changed is called after each new value. nil: nothing is called.
	Changed func()

	Every  time.Duration    // between loads; 0: FilePoll
	Retry  time.Duration    // after a failed load; 0: Every
	Window time.Duration    // between the loads that Ask causes
	Now    func() time.Time // nil: time.Now
	Logger *slog.Logger     // nil: none
}

// FilePoll is the time between two looks at a file.
const FilePoll = 2 * time.Second

// Source holds a value that may change. One goroutine loads it, so that a
// request that is given up ends no load, and requests at the same time share
// one. Its methods may be called concurrently unless they say otherwise.
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

// Status says how the loads of a source went.
type Status struct {
	Attempted time.Time // the last load; zero: none yet
	Loaded    time.Time // the last load that succeeded; zero: none yet
	Failures  uint64    // loads that failed
	Err       error     // of the last load
}

// demand is a request to load now.
type demand struct {
	always bool // else only if Window has passed since the last one
	answer chan<- error
}

// New returns a source that has loaded nothing.
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

// Name returns what the source loads and where from, for people.
func (s *Source[T]) Name() string { return s.o.What + " of " + s.o.Name }

// Status returns how the loads have gone so far.
func (s *Source[T]) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Set makes v the current value. Only Take may call it.
func (s *Source[T]) Set(v T) {
	s.last.Store(&v)
	s.o.Changed() // afterwards, so that nothing that reads v is taken for older
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

// Try is the first load of a source that may fail at first. The failure is
// logged. It must not be called after Run.
func (s *Source[T]) Try(ctx context.Context) { s.refresh(ctx) }

// Run loads the value now and then until ctx ends. It must be called once.
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
				s.asked = s.o.Now() // Ask would fail as well
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

// Reload loads the value now and returns how that went. The source must run.
func (s *Source[T]) Reload(ctx context.Context) error { return s.demand(ctx, true) }

// Ask loads the value for the sake of a request that finds it outdated, unless
// that was done within Window, and returns how the last load went, or ErrBusy.
// The source must run.
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

// load loads once and notes how that went.
func (s *Source[T]) load(ctx context.Context) (T, error) {
	v, err := s.loadSafely(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Attempted, s.status.Err = s.o.Now(), err
	switch {
	case errors.Is(err, ErrUnchanged):
		s.status.Loaded, s.status.Err = s.status.Attempted, nil
	case err == nil:
		s.status.Loaded = s.status.Attempted
	default:
		s.status.Failures++
	}
	return v, err
}

// loadSafely makes an error of a panic: what is loaded may have been written by
// others, and must not end the process.
func (s *Source[T]) loadSafely(ctx context.Context) (v T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return s.o.Load(ctx)
}

// refresh loads what there is now; the last good value stays if that fails. A
// failure that goes on as it was is logged once.
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
			log.Info("a source can be loaded again")
		} else if !first {
			log.Info("a changed source is in force")
		}
	case ctx.Err() != nil: // the service stops
	case before != nil && before.Error() == err.Error(): // logged before
	case first:
		log.Warn("a source cannot be loaded; nothing of it is in force until it can", "error", err)
	default:
		log.Warn("a source cannot be loaded; its last good version stays in force", "error", err)
	}
}
