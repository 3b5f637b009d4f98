//go:build !unix

package nowait

import "syscall"

// write writes nothing: on this system a write must wait.
func write(uintptr, []byte) (int, error) { return 0, syscall.EAGAIN }
