package app

import (
	"log/slog"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/bellhop/bellhop/internal/config"
)

// All that is shared out, and the store, is no more than there is.
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
	assert.Equal(t, int64(1<<20), memory(1<<20).queued(256<<20, 1<<20), "a connection always has its own")

	var unknown memory
	assert.Zero(t, unknown.connections(false))
	assert.Zero(t, unknown.bodies())
	assert.Equal(t, int64(256<<20), unknown.queued(256<<20, 1<<20))
}

func TestMemoryLimitsConnections(t *testing.T) {
	s := &node{cfg: config.Default(), memory: 256 << 20}
	if most := maxOpenFiles(); most > 0 && most < 10_000 {
		s.memory = 200 << 20 // so that memory is what is short
	}
	most := s.maxConnections()
	assert.Equal(t, lesser(most, s.memory.connections(false)), most)
	assert.Positive(t, most)
	assert.Equal(t, lesser(s.maxNetworkConnections(), most+s.memory.httpConnections()), s.maxNetworkConnections())
	s.certificate = &certificate{}
	assert.Less(t, s.maxConnections(), most, "TLS takes more")
	s.cfg.Connections = 7
	assert.Equal(t, 7, s.maxConnections(), "who says a number has it")
}

// What GOMEMLIMIT says counts, too.
func TestMemoryIsTheSmallestLimit(t *testing.T) {
	before := debug.SetMemoryLimit(1 << 30)
	defer debug.SetMemoryLimit(before)
	assert.LessOrEqual(t, findMemory(slog.New(slog.DiscardHandler)), memory(1<<30))
}
