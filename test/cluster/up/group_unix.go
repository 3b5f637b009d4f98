//go:build unix

package main

import "syscall"

// ownGroup makes a process the only one of its group, to which a terminal sends no signal.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
