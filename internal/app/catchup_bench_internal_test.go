package app

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/natsserver"
)

// BenchmarkCatchUp measures how long a new node takes to have the state of a million
// notifications, from the whole stream and from a checkpoint:
//
//	go test ./internal/app -run '^$' -bench CatchUp -benchtime 1x
func BenchmarkCatchUp(b *testing.B) {
	const entries = 1_000_000
	servers := natsserver.Start(b, natsserver.Options{Servers: 1})
	first := run(b, servers, newReplica(b, servers, dataDir(b)))
	append1000 := make([]notify.Entry, 1000)
	for i := 0; i < entries; i += len(append1000) {
		for k := range append1000 {
			id := strconv.Itoa(i + k)
			append1000[k] = notify.Publish{
				By: "key:bench", ID: id, Audience: notify.AudienceUser, Users: []notify.UserID{notify.UserID("user-" + id[:len(id)/2+1])},
				Content: []byte(`"id":"` + id + `","type":"bench.entry","title":"Something has happened in a project that you follow","data":{"a":1}`), Keep: 1000,
			}
		}
		for _, v := range first.journal.Append(b.Context(), append1000...) {
			require.NoError(b, v.Err)
		}
	}
	catchUp := func(b *testing.B) {
		for b.Loop() {
			began := time.Now()
			n := run(b, servers, newReplica(b, servers, dataDir(b)))
			for n.journal.Durable() < first.journal.Durable() {
				<-time.After(time.Millisecond)
			}
			b.ReportMetric(time.Since(began).Seconds(), "s")
			n.stop()
		}
	}
	b.Run("stream", catchUp)
	began := time.Now()
	first.checkpoint(b)
	b.Logf("the checkpoint was written in %.1f s", time.Since(began).Seconds())
	b.Run("checkpoint", catchUp)
}
