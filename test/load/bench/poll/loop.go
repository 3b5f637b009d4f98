//go:build linux

// Package poll serves thousands of sockets on one goroutine, with an epoll set and a
// handler for each descriptor.
package poll

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// Events that a handler can wait for.
const (
	In  = unix.EPOLLIN
	Out = unix.EPOLLOUT
)

// Handler is called on the loop's goroutine when its descriptor is ready or has failed. It
// must not block, and it may close only its own descriptor.
type Handler interface{ Ready() }

// Loop is an epoll set and the goroutine that waits on it.
type Loop struct {
	set  int
	wake int
	done chan struct{}

	// Used only by the loop's goroutine.
	handlers []Handler // by descriptor
	failed   error
	closing  bool

	mu   sync.Mutex
	todo []func()
}

// Start starts a loop. The caller must Close it.
func Start() (*Loop, error) {
	set, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create an epoll set: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create an eventfd: %w", err), unix.Close(set))
	}
	l := &Loop{set: set, wake: wake, done: make(chan struct{})}
	if err := l.Add(wake, nil, In); err != nil {
		return nil, errors.Join(err, unix.Close(wake), unix.Close(set))
	}
	go l.run()
	return l, nil
}

// Add registers h for events of fd. Only handlers and functions passed to Do may call it.
// Closing fd removes it.
func (l *Loop) Add(fd int, h Handler, events uint32) error {
	if need := fd + 1 - len(l.handlers); need > 0 {
		l.handlers = append(l.handlers, make([]Handler, need)...)
	}
	l.handlers[fd] = h
	return l.control(unix.EPOLL_CTL_ADD, fd, events)
}

// Wait changes the events that the handler of fd waits for.
func (l *Loop) Wait(fd int, events uint32) error {
	return l.control(unix.EPOLL_CTL_MOD, fd, events)
}

func (l *Loop) control(op, fd int, events uint32) error {
	event := unix.EpollEvent{Events: events, Fd: int32(fd)}
	if err := unix.EpollCtl(l.set, op, fd, &event); err != nil {
		return fmt.Errorf("epoll_ctl: %w", err)
	}
	return nil
}

// Do runs f on the loop's goroutine, between handlers, and returns when f has returned. A
// handler must not call Do.
func (l *Loop) Do(f func()) {
	ran := make(chan struct{})
	l.mu.Lock()
	l.todo = append(l.todo, func() { f(); close(ran) })
	l.mu.Unlock()
	l.ring()
	select {
	case <-ran:
	case <-l.done:
	}
}

// Close ends the loop, waits for it and returns the error that ended it early, if any. It
// does not close the descriptors of the handlers.
func (l *Loop) Close() error {
	l.Do(func() { l.closing = true })
	<-l.done
	return errors.Join(l.failed, unix.Close(l.wake), unix.Close(l.set))
}

func (l *Loop) ring() {
	one := [8]byte{1}
	_, _ = unix.Write(l.wake, one[:]) // fails only if the loop is being woken already
}

func (l *Loop) run() {
	defer close(l.done)
	events := make([]unix.EpollEvent, 512)
	for !l.closing {
		n, err := unix.EpollWait(l.set, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			l.failed = fmt.Errorf("epoll_wait: %w", err)
			return
		}
		rung := false
		for _, e := range events[:max(n, 0)] {
			if h := l.handlers[e.Fd]; h != nil {
				h.Ready()
			} else {
				rung = true
			}
		}
		if rung {
			l.catchUp()
		}
	}
}

// catchUp runs the functions passed to Do. They run after the handlers, so that no pending
// event of a closed socket can reach a new socket with the same descriptor.
func (l *Loop) catchUp() {
	var rings [8]byte
	_, _ = unix.Read(l.wake, rings[:])
	l.mu.Lock()
	todo := l.todo
	l.todo = nil
	l.mu.Unlock()
	for _, f := range todo {
		f()
	}
}
