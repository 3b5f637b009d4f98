//go:build !race

package nowait

import (
	"syscall"
	"unsafe"
)

// write is syscall.Write without telling the scheduler about the system call.
func write(fd uintptr, p []byte) (int, error) {
	start := unsafe.Pointer(unsafe.SliceData(p)) //nolint:gosec // package syscall does the same
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(start), uintptr(len(p)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
