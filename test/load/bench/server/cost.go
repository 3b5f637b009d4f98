//go:build linux

package server

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CPU returns the processor time of all the server's threads, in user mode and kernel. It
// is the sum of utime and stime in /proc/PID/stat, but in nanoseconds instead of hundredths
// of a second.
func (s *Server) CPU() (time.Duration, error) { return CPUOf(s.process.Process.Pid) }

// CPUOf returns the processor time of all threads of a process.
func CPUOf(pid int) (time.Duration, error) {
	const ofAllThreads = 2 // CPUCLOCK_SCHED, see clock_getcpuclockid(3)
	var used unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|ofAllThreads, &used); err != nil {
		return 0, fmt.Errorf("read the server's processor time: %w", err)
	}
	return time.Duration(used.Nano()), nil
}

// RSS returns the resident memory of the server in bytes.
func (s *Server) RSS() (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", s.process.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("read the server's memory: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 3 && fields[0] == "Rss:" {
			kilobytes, err := strconv.ParseInt(fields[1], 10, 64)
			return kilobytes << 10, err
		}
	}
	return 0, fmt.Errorf("no Rss in %s", text)
}

// Machine has the processor times of the whole machine since its start.
type Machine struct{ Busy, All time.Duration }

// ReadMachine reads /proc/stat. Time that the hypervisor gave to other machines is busy.
func ReadMachine() (Machine, error) {
	const hertz = 100 // unit of the figures in /proc, independent of the kernel's timer
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return Machine{}, err
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	var m Machine
	for i, field := range strings.Fields(string(line))[1:] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return Machine{}, fmt.Errorf("read /proc/stat: %w", err)
		}
		const idle, iowait, guest = 3, 4, 8
		if i >= guest { // already included in user and nice
			break
		}
		spent := time.Duration(n) * time.Second / hertz
		m.All += spent
		if i != idle && i != iowait {
			m.Busy += spent
		}
	}
	return m, nil
}
