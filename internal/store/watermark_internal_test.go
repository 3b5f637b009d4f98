package store

import (
	"log/slog"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/bellhop/bellhop/internal/notify"
)

// BenchmarkRaise measures what the watermark adds to a commit.
func BenchmarkRaise(b *testing.B) {
	w := openWatermark(vfs.Default, b.TempDir(), slot{}, slog.New(slog.DiscardHandler))
	b.ReportAllocs()
	for n := notify.Sequence(0); b.Loop(); n++ {
		w.raise(n)
	}
	if err := w.close(); err != nil {
		b.Error(err)
	}
}
