package cluster

import (
	"fmt"
	"testing"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/traffic"
)

// users is the number of users. Each has a publisher and a listener, which use any node.
const users = 6

// between is the pause of a publisher between two notifications.
const between = 5 * time.Millisecond

// loadText describes the load for the table, without what its visitors do.
func loadText() string {
	return fmt.Sprintf("%d publishers, at most %d/s each", users, time.Second/between)
}

// startLoad starts publishers, listeners and visitors for users whose names begin with prefix, which no
// other load of the cluster has.
func (c *cluster) startLoad(t *testing.T, prefix string) *traffic.Load {
	t.Helper()
	urls := make([]string, len(c.nodes))
	for i, n := range c.nodes {
		urls[i] = "http://" + n.public
	}
	return traffic.Start(t, traffic.Options{
		Prefix: prefix, Users: users, Between: between, Mixed: true,
		URLs:  func() []string { return urls },
		Token: func(user string, scopes ...notify.Scope) string { return token(t, user, scopes...) },
	})
}
