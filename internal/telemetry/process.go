package telemetry

import (
	"os"
	"runtime"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

// Process is what this process uses. A value that this system cannot tell cheaply is 0.
type Process struct {
	RSS        int64   `json:"rss_bytes,omitempty"`
	Heap       uint64  `json:"heap_bytes,omitempty"`
	Goroutines int     `json:"goroutines,omitempty"`
	Files      int64   `json:"open_files,omitempty"`
	CPU        float64 `json:"cpu_percent"` // since the reading before; of one core
}

// ProcessReader reads what this process uses.
type ProcessReader struct {
	at   time.Time
	used time.Duration // CPU time at that time
}

// Read returns what is used now. Only one goroutine may call it at a time.
func (r *ProcessReader) Read(now time.Time) Process {
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(heap)
	p := Process{RSS: residentBytes(), Goroutines: runtime.NumGoroutine(), Files: openFiles()}
	if heap[0].Value.Kind() == metrics.KindUint64 {
		p.Heap = heap[0].Value.Uint64()
	}
	used := cpuTime()
	if elapsed := now.Sub(r.at); !r.at.IsZero() && elapsed > 0 {
		const percent, tenth = 100, 10
		p.CPU = float64(int64(percent*tenth*(used-r.used)/elapsed)) / tenth
	}
	r.at, r.used = now, used
	return p
}

// residentBytes returns the memory of this process that is in RAM, on Linux.
func residentBytes() int64 {
	content, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(content))
	if len(fields) < 2 { //nolint:mnd // size, resident
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64) // 0 after an error
	return pages * int64(os.Getpagesize())
}

// openFiles returns the number of open files, on Linux from 6.2 on. Earlier versions have only their
// list, and reading that takes longer with each connection.
func openFiles() int64 {
	info, err := os.Stat("/proc/self/fd")
	if err != nil {
		return 0
	}
	return info.Size()
}
