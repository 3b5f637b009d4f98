//go:build linux

package journal_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/natsserver"
)

// BenchmarkCluster appends with a number of publishers, each of which waits for its answer,
// over three servers on this machine. A second node follows. It reports entries per second,
// the median and the 99th percentile of the latency, and the CPU time of an entry: of both
// nodes together, and of the three servers.
func BenchmarkCluster(b *testing.B) {
	for _, publishers := range []int{1, 16, 64, 256, 1024} {
		b.Run(fmt.Sprintf("publishers=%d", publishers), func(b *testing.B) { benchmarkCluster(b, publishers, 1) })
	}
	b.Run("batches=100", func(b *testing.B) { benchmarkCluster(b, 64, 100) })
}

func benchmarkCluster(b *testing.B, publishers, batch int) {
	servers := natsserver.Start(b, natsserver.Options{Servers: 3})
	one, other := join(b, servers, "a"), join(b, servers, "b")
	one.ready(b)
	other.ready(b)
	content := append([]byte(`"id":"x",`), make([]byte, 280)...)
	var mu sync.Mutex
	var latencies []time.Duration
	var next, failed atomic.Int64
	var all sync.WaitGroup
	own, theirs := cpu(b), serversCPU(b)
	b.ResetTimer()
	for p := range publishers {
		all.Go(func() {
			var took []time.Duration
			for {
				i := next.Add(int64(batch))
				if i > int64(b.N) && i > int64(batch) {
					break
				}
				entries := make([]notify.Entry, batch)
				for k := range entries {
					entries[k] = notify.Publish{
						By: "key:bench", ID: fmt.Sprintf("00000000-0000-7000-8000-%012d", i+int64(k)), Audience: notify.AudienceUser,
						Users: []notify.UserID{notify.UserID("user-" + strconv.Itoa(p))}, Content: content, Keep: 1_000,
					}
				}
				start := time.Now()
				if v := one.Append(b.Context(), entries...); v[batch-1].Err != nil {
					failed.Add(1)
				}
				took = append(took, time.Since(start))
			}
			mu.Lock()
			defer mu.Unlock()
			latencies = append(latencies, took...)
		})
	}
	all.Wait()
	b.StopTimer()
	entries := float64(len(latencies) * batch)
	slices.Sort(latencies)
	b.ReportMetric(entries/b.Elapsed().Seconds(), "entries/s")
	b.ReportMetric(float64(latencies[len(latencies)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(latencies[len(latencies)*99/100].Microseconds())/1000, "p99-ms")
	b.ReportMetric(float64((cpu(b)-own).Microseconds())/entries, "own-µs/entry")
	b.ReportMetric(float64((serversCPU(b)-theirs).Microseconds())/entries, "nats-µs/entry")
	b.ReportMetric(entries/float64(one.Position().Message), "entries/message")
	require.Zero(b, failed.Load())
}

// cpu returns the CPU time of this process.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// serversCPU returns the CPU time of the children of this process, by /proc.
func serversCPU(b *testing.B) (total time.Duration) {
	b.Helper()
	const tick = 10 * time.Millisecond
	all, err := os.ReadDir("/proc")
	require.NoError(b, err)
	for _, p := range all {
		stat, err := os.ReadFile("/proc/" + p.Name() + "/stat")
		if err != nil {
			continue // no process, or one that has ended
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(rest)
		if len(fields) < 13 || fields[1] != strconv.Itoa(os.Getpid()) {
			continue
		}
		for _, f := range fields[11:13] {
			n, err := strconv.Atoi(f)
			require.NoError(b, err)
			total += time.Duration(n) * tick
		}
	}
	return total
}
