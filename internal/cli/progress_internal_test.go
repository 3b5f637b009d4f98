package cli

import (
	"testing"
	"time"
)

func TestProgressHasBytesRateAndTimeLeft(t *testing.T) {
	for _, c := range []struct {
		done, total int64
		after       time.Duration
		want        string
	}{
		{0, 0, 1400 * time.Millisecond, "backup: waiting for 1s"},
		{0, 5_000_000, time.Second, "backup: 0 B of 5.0 MB"},
		{1_000_000, 5_000_000, 2 * time.Second, "backup: 1.0 MB of 5.0 MB (20 %), 500.0 kB/s, 8s left"},
		{5_000_000, 5_000_000, 2 * time.Second, "backup: 5.0 MB of 5.0 MB (100 %), 2.5 MB/s, 0s left"},
		{90e9, 36e12, time.Hour, "backup: 90.0 GB of 36.0 TB (0 %), 25.0 MB/s, 399h0m0s left"},
	} {
		p := progress{what: "backup"}
		p.set(c.done, c.total)
		got := p.line(c.after)
		if got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
		if len(got) >= 80 {
			t.Errorf("%q does not fit into a line", got)
		}
	}
}

func TestByteSizesAreReadable(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_949: "999.9 kB", 999_950: "1.0 MB", 1_500_000_000: "1.5 GB", 1 << 62: "4.6 EB",
	} {
		if got := byteSize(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
