//go:build unix && (!linux || race)

package nowait

import "syscall"

// write is the plain one where no other is tried, and for the race detector,
// which learns by it what came before what was read at the other end.
func write(fd uintptr, p []byte) (int, error) { return syscall.Write(int(fd), p) }
