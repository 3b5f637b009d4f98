package app

import (
	"errors"
	"log/slog"
	"math"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// The store takes a fixed part of the memory. The rest is divided into budgets: what exceeds
// one is refused, before the kernel would kill the process. The size of a connection includes
// the memory that the kernel has for it.
const (
	storeMemory     = 192 << 20 // cache, memtables and compactions
	connectionBytes = 8 << 10
	overTLSBytes    = 64 << 10 // with its goroutine and the buffers of TLS
	httpBytes       = 32 << 10 // a request with its headers and goroutine
)

// memory is the limit on the memory of this process, in bytes; 0: it is not known.
type memory int64

// findMemory returns the least of the limit of the heap, the limit of the container and the
// memory of the machine.
func findMemory(logger *slog.Logger) memory {
	heap := uint64(debug.SetMemoryLimit(-1)) //nolint:gosec // never negative; the call changes nothing
	limit, err := memlimit.ApplyFallback(memlimit.FromCgroup, memlimit.FromSystem)()
	if err != nil {
		logger.Warn("the memory limit cannot be read", "error", err)
		limit = math.MaxInt64
	}
	if limit = min(limit, heap); limit >= math.MaxInt64 {
		return 0
	}
	return memory(limit)
}

// LimitHeap sets the limit of the heap from the limit of the container, so that the garbage
// collector works harder close to it. GOMEMLIMIT, if set, takes precedence.
func LimitHeap(logger *slog.Logger) {
	limit, err := memlimit.Set()
	switch {
	case err != nil && !errors.Is(err, memlimit.ErrNoLimit):
		logger.Warn("the heap is not limited", "error", err)
	case limit < math.MaxInt64:
		logger.Info("the heap is limited", "bytes", limit)
	}
}

// free is the memory without that of the store.
func (m memory) free() int64 { return max(int64(m)-storeMemory, int64(m)/4) }

// connections is how many WebSockets and event streams fit into half of the free memory; 0:
// any number.
func (m memory) connections(overTLS bool) int {
	each := int64(connectionBytes)
	if overTLS {
		each = overTLSBytes
	}
	return int(m.free() / 2 / each)
}

// httpConnections is how many other connections fit into an eighth of the free memory.
func (m memory) httpConnections() int { return int(m.free() / 8 / httpBytes) }

// queued returns the budget of all send queues: limit, or a quarter of the free memory if
// that is less, but at least the size of one queue.
func (m memory) queued(limit, one int64) int64 {
	if m == 0 {
		return limit
	}
	return max(one, min(limit, m.free()/4))
}

// bodies is the budget of request bodies: at most an eighth of the free memory; 0: the
// default.
func (m memory) bodies() int64 {
	const limit = 128 << 20
	return min(limit, m.free()/8)
}
