package ws

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"golang.org/x/sys/unix"
)

// poller watches the sockets of connections that only receive, in place of the runtime's
// poller: a goroutine that waits in Read costs more memory than the rest of an idle
// connection. Such a peer sends only pongs, which the poller reads itself. When anything
// else arrives, it starts the connection's reader, which then stays.
type poller struct {
	epoll, wake int // file descriptors
	logger      *slog.Logger

	mu      sync.Mutex
	sockets []*socket // by file descriptor
}

// maxPongs is how many bytes the poller reads at a time: a few pongs.
const maxPongs = 512

// newPoller returns a poller, or nil if the system provides none: then every connection
// has a reader.
func newPoller(logger *slog.Logger) *poller {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		logger.Warn("epoll unavailable; every connection uses a goroutine", "error", err)
		return nil
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err == nil {
		event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(wake)} //nolint:gosec // a file descriptor
		err = unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, wake, &event)
	}
	if err != nil {
		logger.Warn("epoll unavailable; every connection uses a goroutine", "error", err)
		_ = unix.Close(epoll)
		return nil
	}
	return &poller{epoll: epoll, wake: wake, logger: logger}
}

// add makes the poller watch s. It reports false if that is not possible.
func (p *poller) add(s *socket) bool {
	if p == nil || s.net.raw == nil {
		return false
	}
	added := false
	err := s.net.raw.Control(func(fd uintptr) {
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

// remove makes the poller stop watching s. The system has removed a socket that was
// closed; its descriptor may belong to another socket by now.
func (p *poller) remove(s *socket) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if fd := int(s.fd); fd < len(p.sockets) && p.sockets[fd] == s {
		p.sockets[fd] = nil
		_ = unix.EpollCtl(p.epoll, unix.EPOLL_CTL_DEL, fd, nil) // fails if the socket was closed
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
	buf := make([]byte, maxPongs)
	for {
		n, err := unix.EpollWait(p.epoll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			p.logger.Error("epoll failed; idle connections are not read any more", "error", fmt.Errorf("wait: %w", err))
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

// stop makes run return.
func (p *poller) stop() {
	_, _ = unix.Write(p.wake, binary.NativeEndian.AppendUint64(nil, 1)) // cannot fail for an eventfd
}

// close closes the file descriptors. run must have returned.
func (p *poller) close() {
	_ = unix.Close(p.epoll)
	_ = unix.Close(p.wake)
}

// woken reads what the peer of a parked socket has sent. The poller calls it; it does
// not wait.
func (s *socket) woken(buf []byte) {
	defer s.net.conn.Recover()
	n := 0
	var err error // of the read
	closed := s.net.raw.Read(func(fd uintptr) bool {
		n, err = unix.Read(int(fd), buf)
		return true
	}) != nil
	switch {
	case !closed && (errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR)):
	case !closed && err == nil && n > 0 && onlyPongs(buf[:n]):
		s.net.conn.NoteActivity()
	default:
		// A message, a close, half a frame or the end: that is for the reader. The end of
		// the connection may start the reader at the same time.
		if s.parked.CompareAndSwap(true, false) {
			s.handler.poller.remove(s)
			if !closed && err == nil {
				s.net.received().ahead = append([]byte(nil), buf[:n]...)
			}
			go s.read()
		}
	}
}

// onlyPongs reports whether p consists of whole, masked pongs.
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
