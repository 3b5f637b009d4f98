package ws

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"golang.org/x/sys/unix"
)

// poller watches the sockets of connections that only listen, beside the
// runtime's own: a goroutine that waits in Read costs more than all the rest of
// an idle connection. The one thing that such a peer sends is pongs, which the
// poller takes itself. Whatever else comes, it starts the connection's reader,
// which then stays.
type poller struct {
	epoll, wake int // file descriptors
	logger      *slog.Logger

	mu      sync.Mutex
	sockets []*socket // by file descriptor
}

// pongsMost is how many bytes the poller looks at: a few pongs.
const pongsMost = 512

// newPoller returns a poller, or nil if the system gives none: then every
// connection has a reader.
func newPoller(logger *slog.Logger) *poller {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		logger.Warn("no epoll: every connection takes a goroutine", "error", err)
		return nil
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err == nil {
		event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(wake)} //nolint:gosec // a file descriptor
		err = unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, wake, &event)
	}
	if err != nil {
		logger.Warn("no epoll: every connection takes a goroutine", "error", err)
		_ = unix.Close(epoll)
		return nil
	}
	return &poller{epoll: epoll, wake: wake, logger: logger}
}

// add watches s, and reports whether it does.
func (p *poller) add(s *socket) bool {
	if p == nil || s.door.raw == nil {
		return false
	}
	added := false
	err := s.door.raw.Control(func(fd uintptr) {
		p.mu.Lock()
		defer p.mu.Unlock()
		for len(p.sockets) <= int(fd) {
			p.sockets = append(p.sockets, nil)
		}
		p.sockets[fd], s.fd = s, int32(fd) //nolint:gosec // a file descriptor
		event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP, Fd: s.fd}
		added = unix.EpollCtl(p.epoll, unix.EPOLL_CTL_ADD, int(fd), &event) == nil
		if !added {
			p.sockets[fd] = nil
		}
	})
	return added && err == nil
}

// forget stops watching s. A socket that is closed already is forgotten by the
// system; its descriptor may be another's by now.
func (p *poller) forget(s *socket) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if fd := int(s.fd); fd < len(p.sockets) && p.sockets[fd] == s {
		p.sockets[fd] = nil
		_ = unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, fd, nil) // it fails if it was closed
	}
}

func (p *poller) socket(fd int) *socket {
	p.mu.Lock()
	defer p.mu.Unlock()
	if fd >= len(p.sockets) {
		return nil
	}
	return p.sockets[fd]
}

// run polls until close is called.
func (p *poller) run() {
	events := make([]unix.EpollEvent, 128)
	buf := make([]byte, pongsMost)
	for {
		n, err := unix.EpollWait(p.epoll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			p.logger.Error("epoll failed", "error", fmt.Errorf("wait: %w", err))
			return
		}
		for _, e := range events[:max(0, n)] {
			if int(e.Fd) == p.wake {
				return
			}
			if s := p.socket(int(e.Fd)); s != nil {
				s.woken(buf)
			}
		}
	}
}

// stop ends run.
func (p *poller) stop() {
	_, _ = unix.Write(p.wake, binary.NativeEndian.AppendUint64(nil, 1)) // an eventfd takes it
}

// close gives back what the system gave. run must have ended.
func (p *poller) close() {
	_ = unix.Close(p.epoll)
	_ = unix.Close(p.wake)
}

// woken takes what a parked peer has sent. The poller calls it, and it does not
// wait.
func (s *socket) woken(buf []byte) {
	defer s.rescue()
	n := 0
	var err error
	closed := s.door.raw.Read(func(fd uintptr) bool {
		n, err = unix.Read(int(fd), buf)
		return true
	})
	switch {
	case closed == nil && (errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR)):
	case closed == nil && err == nil && n > 0 && onlyPongs(buf[:n]):
		s.conn.Heard()
	default:
		// A command, a close, half a frame, the end: the reader will see. Whoever
		// ends the connection may start it too.
		if s.parked.CompareAndSwap(true, false) {
			s.handler.poller.forget(s)
			if closed == nil && err == nil {
				s.door.inward().ahead = append([]byte(nil), buf[:n]...)
			}
			go s.read()
		}
	}
}

// onlyPongs reports whether p is whole, masked pongs and nothing else.
func onlyPongs(p []byte) bool {
	for len(p) > 0 {
		if len(p) < 2 || p[0] != fin|opPong || p[1]&isMasked == 0 {
			return false
		}
		size := 2 + maskSize + int(p[1]&lengths)
		if p[1]&lengths >= length16 || len(p) < size {
			return false
		}
		p = p[size:]
	}
	return true
}
