package journal_test

import (
	"context"
	"testing"

	"github.com/bellhop/bellhop/internal/journal"
	"github.com/bellhop/bellhop/internal/notify"
)

// instant is a machine whose disk takes no time.
type instant struct{}

func (instant) Apply(first notify.Sequence, entries []notify.Stamped) ([]notify.Verdict, []notify.Change, error) {
	verdicts := make([]notify.Verdict, len(entries))
	for i := range verdicts {
		verdicts[i].Sequence = first + notify.Sequence(i)
	}
	return verdicts, nil, nil
}

// What the committer adds to a publish, by one caller at a time and by many
// whose entries share commits.
func BenchmarkAppend(b *testing.B) {
	entry := notify.Publish{Audience: notify.AudienceUser, Users: []notify.UserID{"ada"}, Content: make([]byte, 300)}
	b.Run("one", func(b *testing.B) {
		j := start(b)
		b.ReportAllocs()
		for b.Loop() {
			j.Append(b.Context(), entry)
		}
	})
	b.Run("many", func(b *testing.B) {
		j := start(b)
		b.ReportAllocs()
		b.SetParallelism(64) // a processor
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				j.Append(b.Context(), entry)
			}
		})
	})
}

// start runs a journal until the benchmark has ended.
func start(b *testing.B) *journal.Local {
	b.Helper()
	j := journal.NewLocal(journal.Options{State: instant{}, Metrics: noMetrics{}})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- j.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
	return j
}
