//go:build unix && (!linux || race)

package nowait

import "syscall"

// write is syscall.Write: for systems where nothing else was tried, and for the race
// detector, to which it shows that the write happens before the peer's read.
func write(fd uintptr, p []byte) (int, error) { return syscall.Write(int(fd), p) }

// read is syscall.Read, for the same reasons.
func read(fd uintptr, p []byte) (int, error) {
	n, err := syscall.Read(int(fd), p)
	return max(0, n), err
}
