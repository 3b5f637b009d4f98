//go:build !unix

package ws

import "syscall"

// tryWrite writes nothing: here, who writes must wait.
func (b *buffer) tryWrite(syscall.RawConn) (int, error) { return 0, nil }
