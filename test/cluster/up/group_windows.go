package main

import "syscall"

// ownGroup makes a process the only one of its group, to which a terminal sends no Ctrl-C.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
