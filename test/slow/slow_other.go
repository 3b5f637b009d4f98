//go:build !unix

package slow

import (
	"errors"
	"os"
	"syscall"
)

// Pause returns an error: this system pauses no processes.
func Pause(*os.Process) error { return errors.ErrUnsupported }

// Resume returns an error.
func Resume(*os.Process) error { return errors.ErrUnsupported }

// limit ignores the size of segments, which this system does not let programs choose.
func limit(fd uintptr, bytes, _ int) error {
	return syscall.SetsockoptInt(syscall.Handle(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, bytes)
}
