//go:build unix

package app

import "syscall"

// openFilesMost is how many files this process may have open; 0: nobody knows,
// or any number.
func openFilesMost() int {
	var most syscall.Rlimit
	const unlimited = 1 << 30
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &most) != nil || most.Cur > unlimited {
		return 0
	}
	return int(most.Cur)
}
