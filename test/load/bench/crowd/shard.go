//go:build linux

package crowd

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/bellhop/bellhop/test/load/bench/poll"
	"github.com/bellhop/bellhop/test/load/bench/stats"
)

// shard has the sockets of one loop. Only the loop's goroutine may use its fields.
type shard struct {
	crowd   *Crowd
	loop    *poll.Loop
	sockets []*socket

	waiting    []*socket // not yet connecting
	concurrent int       // maximum number of handshakes under way
	underWay   int

	in, out []byte // buffers shared by all sockets
	latency stats.Histogram
	faults  Faults
}

// connect starts to open all sockets, with a maximum number of concurrent handshakes.
func (s *shard) connect(concurrent int) {
	s.concurrent, s.underWay = concurrent, 0
	s.waiting = append(s.waiting[:0], s.sockets...)
	s.connectMore()
}

func (s *shard) connectMore() {
	for s.underWay < s.concurrent && len(s.waiting) > 0 {
		next := s.waiting[0]
		s.waiting = s.waiting[1:]
		s.underWay++
		if err := next.dial(); err != nil {
			s.crowd.settle(fmt.Errorf("connect client %d: %w", next.user, err))
			return
		}
	}
}

// oneReady counts a socket that is ready and starts the next handshake.
func (s *shard) oneReady() {
	s.underWay--
	s.crowd.oneReady()
	s.connectMore()
}

// fault counts n faults of one kind, a field of s.faults.
func (s *shard) fault(kind *int64, n int64, format string, args ...any) {
	*kind += n
	if s.faults.First == "" {
		s.faults.First = fmt.Sprintf(format, args...)
	}
}

func (s *shard) drop() {
	s.waiting = nil
	for _, sock := range s.sockets {
		sock.close()
	}
}

// open returns a socket that is connecting to the server from the address of
// client number n.
func (s *shard) open(n uint32) (fd int, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	if err := s.reach(fd, n); err != nil {
		return -1, errors.Join(err, unix.Close(fd))
	}
	return fd, nil
}

func (s *shard) reach(fd int, n uint32) error {
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); err != nil {
		return fmt.Errorf("set IP_BIND_ADDRESS_NO_PORT: %w", err)
	}
	from := &unix.SockaddrInet4{Addr: [4]byte{127, byte(1 + n>>16), byte(n >> 8), byte(n)}}
	if err := unix.Bind(fd, from); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	server := s.crowd.options.Server
	to := &unix.SockaddrInet4{Port: int(server.Port()), Addr: server.Addr().As4()}
	if err := unix.Connect(fd, to); err != nil && !errors.Is(err, unix.EINPROGRESS) {
		return fmt.Errorf("connect: %w", err)
	}
	return nil
}
