package peers

import (
	"context"

	"github.com/nats-io/nats.go"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/pack"
)

// CountConnections implements notify.Peers.
func (c *Cluster) CountConnections(ctx context.Context, users []notify.UserID) (notify.ConnectionCounts, error) {
	all := notify.ConnectionCounts{Of: c.local.count(users)}
	all.Incomplete = c.ask(ctx, "counts", pack.AppendNames(c.begin(nil), users), func(r *pack.Reader) {
		if counts := readCounts(r); len(counts) == len(users) {
			for i := range counts {
				all.Of[i] = all.Of[i].Plus(counts[i])
			}
		}
	})
	return all, nil
}

func (c *Cluster) onCounts(m *nats.Msg) {
	r := c.request(m)
	if r == nil {
		return
	}
	users := pack.Names[notify.UserID](r)
	if r.End() != nil || len(users) > notify.MaxUsers {
		c.ignore(m)
		return
	}
	answer := appendCounts(c.begin(nil), c.local.count(users))
	_ = m.Respond(answer) // if the connection is lost, the node that asked reports this one as incomplete
}

func appendCounts(dst []byte, counts []notify.ConnectionCount) []byte {
	dst = pack.AppendUint(dst, uint64(len(counts)))
	for _, one := range counts {
		if dst = pack.AppendUint(dst, uint64(one.Number)); one.Number > 0 { //nolint:gosec // a number of connections
			dst = pack.AppendInstant(dst, one.Since)
		}
	}
	return dst
}

// readCounts returns nil if the answer cannot be read.
func readCounts(r *pack.Reader) []notify.ConnectionCount {
	counts := make([]notify.ConnectionCount, r.Count())
	for i := range counts {
		counts[i].Number = int(r.Uint()) //nolint:gosec // a number of connections
		if counts[i].Number > 0 {
			counts[i].Since = r.Instant()
		}
	}
	if r.End() != nil {
		return nil
	}
	return counts
}
