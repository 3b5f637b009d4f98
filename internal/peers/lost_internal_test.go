package peers

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

// A node that is silent is lost after five seconds, and forgotten an hour later.
func TestALostNodeIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewCluster(ClusterOptions{Node: "a", State: func() State { return State{} }, Logger: slog.New(slog.DiscardHandler)})
		b := Node{Name: "b", Instance: "x", Started: time.Unix(1_800_000_000, 0)}
		c.onBeat(&nats.Msg{Data: appendBeat(nil, &b)})
		time.Sleep(deadAfter - 1)
		require.Len(t, c.others(), 1)
		require.Zero(t, c.Nodes()[1].Lost)

		time.Sleep(time.Nanosecond)
		require.Empty(t, c.others())
		require.Equal(t, time.Now(), c.Nodes()[1].Lost)
		time.Sleep(forgetAfter - 1)
		require.Equal(t, "b", c.Nodes()[1].Name)
		time.Sleep(time.Nanosecond)
		require.Len(t, c.Nodes(), 1)
	})
}
