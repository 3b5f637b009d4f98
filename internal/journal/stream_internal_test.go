package journal

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/assert"
)

// Only a leader that has heard of a majority of the replicas lately can describe the stream.
func TestTheMajorityOfAStream(t *testing.T) {
	heard, silent, offline := &jetstream.PeerInfo{Active: time.Second}, &jetstream.PeerInfo{Active: time.Minute}, &jetstream.PeerInfo{Active: time.Second, Offline: true}
	for name, c := range map[string]struct {
		replicas int
		leader   string
		others   []*jetstream.PeerInfo
		want     bool
	}{
		"all":             {3, "nats-1", []*jetstream.PeerInfo{heard, heard}, true},
		"two of three":    {3, "nats-1", []*jetstream.PeerInfo{silent, heard}, true},
		"one is offline":  {3, "nats-1", []*jetstream.PeerInfo{offline, heard}, true},
		"one of three":    {3, "nats-1", []*jetstream.PeerInfo{silent, offline}, false},
		"no leader":       {3, "", []*jetstream.PeerInfo{heard, heard, heard}, false},
		"three of five":   {5, "nats-1", []*jetstream.PeerInfo{silent, silent, heard, heard}, true},
		"two of five":     {5, "nats-1", []*jetstream.PeerInfo{silent, silent, silent, heard}, false},
		"a single server": {1, "nats-1", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			info := &jetstream.StreamInfo{
				Config:  jetstream.StreamConfig{Replicas: c.replicas},
				Cluster: &jetstream.ClusterInfo{Leader: c.leader, Replicas: c.others},
			}
			assert.Equal(t, c.want, hasMajority(info))
		})
	}
	assert.False(t, hasMajority(&jetstream.StreamInfo{Config: jetstream.StreamConfig{Replicas: 3}}))
}
