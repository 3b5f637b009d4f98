package store_test

import (
	"testing"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
)

// BenchmarkPurge measures the removal of an erased user from the files of a store with 20
// notifications for each user.
func BenchmarkPurge(b *testing.B) {
	const each = 20
	s := open(b)
	last := notify.Sequence(0)
	for last < each*benchUsers {
		if _, _, err := s.Apply(last+1, notify.Stamp(time.Now(), publishes(int(last), benchUsers)...)); err != nil {
			b.Fatal(err)
		}
		last += benchUsers
	}
	usage := s.Usage()
	for b.Loop() {
		v := notify.Verdict{More: true}
		for v.More {
			last++
			verdicts, _, err := s.Apply(last, notify.Stamp(time.Now(), notify.Erase{User: "user-00000042", From: v.Rest}))
			if err != nil {
				b.Fatal(err)
			}
			v = verdicts[0]
		}
		if err := s.Purge(b.Context(), last); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(usage.Notifications)*float64(b.N)/b.Elapsed().Seconds()/1e6, "MB/s")
}
