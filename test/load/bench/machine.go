//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/bellhop/bellhop/test/load/bench/stats"
)

// conditions describes the machine and the time of a measurement, with the result of
// syncTime.
func conditions(ctx context.Context, command, dir string, sync *stats.Histogram) (string, error) {
	disk, err := fileSystem(dir)
	if err != nil {
		return "", err
	}
	var kernel unix.Utsname
	if err := unix.Uname(&kernel); err != nil {
		return "", fmt.Errorf("read the kernel's version: %w", err)
	}
	return fmt.Sprintf("`%s`, %s, commit %s; %d cores (%s), %s of memory, Linux %s, %s; "+
		"data on %s, where an fsync of 4 KiB takes %.2f ms (p50) and %.2f ms (p99)",
		command, time.Now().UTC().Format(time.DateOnly), commit(ctx),
		runtime.NumCPU(), field("/proc/cpuinfo", "model name"), memory(),
		unix.ByteSliceToString(kernel.Release[:]), runtime.Version(),
		disk, milliseconds(sync.Quantile(0.5)), milliseconds(sync.Quantile(0.99))), nil
}

// commit returns the hash of the commit that is checked out.
func commit(ctx context.Context) string {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--exclude=*").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

// field returns the first value of a name in a file of /proc.
func field(file, name string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if key, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// memory returns the amount of memory of the machine.
func memory() string {
	var kilobytes int64
	if _, err := fmt.Sscanf(field("/proc/meminfo", "MemTotal"), "%d kB", &kilobytes); err != nil {
		return "an unknown amount"
	}
	return fmt.Sprintf("%.0f GiB", float64(kilobytes)/(1<<20))
}

// fileSystem returns the name of the file system of dir.
func fileSystem(dir string) (string, error) {
	var is unix.Statfs_t
	if err := unix.Statfs(dir, &is); err != nil {
		return "", fmt.Errorf("read the file system of %s: %w", dir, err)
	}
	switch is.Type {
	case unix.TMPFS_MAGIC:
		return "tmpfs, which is not a disk", nil
	case unix.EXT4_SUPER_MAGIC:
		return "ext4", nil
	case unix.XFS_SUPER_MAGIC:
		return "xfs", nil
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs", nil
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlayfs", nil
	default:
		return fmt.Sprintf("a file system of type %#x", is.Type), nil
	}
}

// syncTime measures the time to append 4 KiB to a file in dir and sync it.
func syncTime(dir string) (h *stats.Histogram, err error) {
	file, err := os.Create(filepath.Join(dir, "fsync"))
	if err != nil {
		return nil, fmt.Errorf("measure fsync: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(file.Name())) }()

	h = new(stats.Histogram)
	block := make([]byte, 4<<10)
	for range 100 {
		start := time.Now()
		if _, err := file.Write(block); err != nil {
			return nil, fmt.Errorf("measure fsync: %w", err)
		}
		if err := file.Sync(); err != nil {
			return nil, fmt.Errorf("measure fsync: %w", err)
		}
		h.Record(time.Since(start))
	}
	return h, nil
}
