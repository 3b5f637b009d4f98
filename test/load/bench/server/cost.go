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

// CPU returns the processor time that the server has used, of all its threads,
// in user and kernel together. It is what utime and stime in /proc/PID/stat add
// up to, but in nanoseconds instead of hundredths of a second.
func (s *Server) CPU() (time.Duration, error) {
	const ofAllThreads = 2 // CPUCLOCK_SCHED, see clock_getcpuclockid(3)
	var used unix.Timespec
	if err := unix.ClockGettime(int32(^s.process.Process.Pid)<<3|ofAllThreads, &used); err != nil {
		return 0, fmt.Errorf("read the server's processor time: %w", err)
	}
	return time.Duration(used.Nano()), nil
}

// RSS returns how many bytes of the server are in memory.
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

// Machine is what the whole machine has done so far.
type Machine struct{ Busy, All time.Duration }

// ReadMachine reads /proc/stat. Time that a hypervisor gave to others is busy.
func ReadMachine() (Machine, error) {
	const hertz = 100 // of the figures in /proc, whatever the kernel's own
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
		if i >= guest { // counted in user and nice already
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
