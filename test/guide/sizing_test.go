//go:build linux

package guide

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// sizing measures this machine with few connections. It prints what a connection and a delivery cost.
func sizing(t *testing.T, c chapter) {
	m := newMachine(t)
	m.set("CLIENTS=200", "DATA="+m.home)
	out, err := m.bash("../..", c.next().text)
	require.NoError(t, err, out)
	require.Contains(t, out, "| idle connection, RSS | B |")
	require.Contains(t, out, "| broadcast, CPU per delivery | µs |")
}
