package app

import (
	"log/slog"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/hub"
)

// The store and all budgets together are not more than the memory.
func TestMemoryIsDividedAmongItsUses(t *testing.T) {
	for _, m := range []memory{512 << 20, 1 << 30, 16 << 30, 1 << 40} {
		for _, overTLS := range []bool{false, true} {
			each := int64(connectionBytes)
			if overTLS {
				each = overTLSBytes
			}
			all := storeMemory + int64(m.connections(overTLS))*each + int64(m.httpConnections())*httpBytes + m.queued(1<<50, 1<<20) + m.bodies()
			assert.LessOrEqual(t, all, int64(m))
		}
	}
	assert.Greater(t, memory(16<<30).connections(false), 1_000_000)
	assert.Equal(t, int64(256<<20), memory(16<<30).queued(256<<20, 1<<20))
	assert.Less(t, memory(512<<20).queued(256<<20, 1<<20), int64(128<<20))
	assert.Equal(t, int64(1<<20), memory(1<<20).queued(256<<20, 1<<20), "at least one send queue fits")

	var unknown memory
	assert.Zero(t, unknown.connections(false))
	assert.Zero(t, unknown.bodies())
	assert.Equal(t, int64(256<<20), unknown.queued(256<<20, 1<<20))
}

func TestMemoryLimitsConnections(t *testing.T) {
	s := &node{cfg: config.Default(), memory: 256 << 20}
	if most := maxOpenFiles(); most > 0 && most < 10_000 {
		s.memory = 200 << 20 // so that memory is the smaller limit
	}
	most := s.maxConnections()
	assert.Equal(t, lesser(most, s.memory.connections(false)), most)
	assert.Positive(t, most)
	assert.Equal(t, lesser(s.maxNetworkConnections(s.cfg), most+s.memory.httpConnections()), s.maxNetworkConnections(s.cfg))
	s.certificate = &certificate{}
	assert.Less(t, s.maxConnections(), most, "connections over TLS need more memory")
	s.cfg.Connections = 7
	assert.Equal(t, 7, s.maxConnections(), "an explicit number takes precedence")
}

// GOMEMLIMIT is one of the limits.
func TestMemoryIsTheSmallestLimit(t *testing.T) {
	before := debug.SetMemoryLimit(1 << 30)
	defer debug.SetMemoryLimit(before)
	assert.LessOrEqual(t, findMemory(slog.New(slog.DiscardHandler)), memory(1<<30))
}

func TestALowLimitOnOpenFilesIsLogged(t *testing.T) {
	var log strings.Builder
	s := &node{cfg: config.Default(), logger: slog.New(slog.NewTextHandler(&log, nil))}
	s.cfg.Connections = 1000
	s.checkFiles(0)
	s.checkFiles(1800)
	assert.Empty(t, log.String(), "an unknown limit, and one that is just enough")
	s.checkFiles(1799)
	assert.Contains(t, log.String(), "the limit on open files is low")
	assert.Contains(t, log.String(), "limit=1799 max_connections=1000")
}

// SetLimits of the hub, which TestEveryLimitOfAChangedFileHolds observes, gets every limit.
func TestLimitsOfTheHubAreThoseOfTheSettings(t *testing.T) {
	s := &node{}
	assert.Equal(t, hub.Limits{Connections: 1, PerAddress: 2, PerUser: 3, QueueLen: 4, QueueBytes: 5, QueuedBytes: 6}, s.hubLimits(&config.Config{
		Connections: 1, ConnectionsPerAddress: 2, ConnectionsPerUser: 3, QueueLength: 4, QueueBytes: 5, QueuedBytes: 6,
	}))
}
