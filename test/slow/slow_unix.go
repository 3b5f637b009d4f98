//go:build unix

package slow

import (
	"errors"
	"os"
	"syscall"
)

// Pause makes a process stand still until Resume. Its connections stay open.
func Pause(p *os.Process) error { return p.Signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func Resume(p *os.Process) error { return p.Signal(syscall.SIGCONT) }

func limit(fd uintptr, bytes, segment int) error {
	err := syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, bytes)
	if segment > 0 {
		err = errors.Join(err, syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, segment))
	}
	return err
}
