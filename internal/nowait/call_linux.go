//go:build !race

package nowait

import (
	"syscall"
	"unsafe"
)

// write is syscall.Write without telling the scheduler about the system call.
func write(fd uintptr, p []byte) (int, error) { return call(syscall.SYS_WRITE, fd, p) }

// read is syscall.Read without telling the scheduler about the system call.
func read(fd uintptr, p []byte) (int, error) { return call(syscall.SYS_READ, fd, p) }

func call(number, fd uintptr, p []byte) (int, error) {
	start := unsafe.Pointer(unsafe.SliceData(p)) //nolint:gosec // package syscall does the same
	n, _, errno := syscall.RawSyscall(number, fd, uintptr(start), uintptr(len(p)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
