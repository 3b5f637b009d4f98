//go:build !unix

package nowait

import "syscall"

// write writes nothing: here, who writes must wait.
func write(uintptr, []byte) (int, error) { return 0, syscall.EAGAIN }
