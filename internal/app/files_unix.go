//go:build unix

package app

import "syscall"

// maxOpenFiles is the limit on open files of this process; 0: it has none, or it is not
// known.
func maxOpenFiles() int {
	var limit syscall.Rlimit
	const unlimited = 1 << 30
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil || limit.Cur > unlimited {
		return 0
	}
	return int(limit.Cur)
}
