package app

import (
	"errors"
	"log/slog"
	"math"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

// Of the memory that there is, the store takes its part whatever happens; the
// rest is shared out, so that who comes when all of it is taken is told so, and
// nobody is killed. A connection is counted with what the kernel has of it.
const (
	storeMemory     = 192 << 20 // cache, memtables, and what compactions take
	connectionBytes = 8 << 10
	overTLSBytes    = 64 << 10 // with a goroutine, and the buffers of TLS
	plainBytes      = 32 << 10 // a request with its head and goroutine
)

// memory is how many bytes this process may take; 0: nobody knows.
type memory int64

// findMemory returns the limit of the heap, or of the container, or what the
// machine has: the least of them.
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

// LimitHeap has the garbage collector work harder when the heap comes near a
// container's limit. GOMEMLIMIT, if it is set, is what counts.
func LimitHeap(logger *slog.Logger) {
	limit, err := memlimit.Set()
	switch {
	case err != nil && !errors.Is(err, memlimit.ErrNoLimit):
		logger.Warn("the heap is not limited", "error", err)
	case limit < math.MaxInt64:
		logger.Info("the heap is limited", "bytes", limit)
	}
}

// free is what the store leaves.
func (m memory) free() int64 { return max(int64(m)-storeMemory, int64(m)/4) }

// connections is how many WebSockets and event streams there is room for, in
// half of what is free; 0: any number.
func (m memory) connections(overTLS bool) int {
	each := int64(connectionBytes)
	if overTLS {
		each = overTLSBytes
	}
	return int(m.free() / 2 / each)
}

// plain is how many other connections there is room for, in an eighth.
func (m memory) plain() int { return int(m.free() / 8 / plainBytes) }

// queued returns how many bytes may wait for slow connections, in a quarter at
// most; a single connection may always have one.
func (m memory) queued(most, one int64) int64 {
	if m == 0 {
		return most
	}
	return max(one, min(most, m.free()/4))
}

// bodies is how many bytes of bodies may be on their way, in an eighth at most;
// 0: as many as usual.
func (m memory) bodies() int64 {
	const most = 128 << 20
	return min(most, m.free()/8)
}
