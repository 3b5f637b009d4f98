package service_test

import (
	"bytes"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestADiskBelowItsReserveIsLoggedOnceAtBothEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		l := &ledger{free: 1, logger: slog.New(slog.NewTextHandler(&log, nil))}
		b := l.run(t)
		for _, free := range []uint64{0, 0, 1, 1} {
			l.mu.Lock()
			l.free = free
			l.mu.Unlock()
			pass(time.Second)
			require.Equal(t, free == 0, b.Ready() != nil)
		}
		require.Regexp(t, `^.*level=WARN msg="disk below reserve; publishing refused" free_bytes=0 min_free_bytes=1\n`+
			`.*level=INFO msg="disk above reserve again; publishing resumed" free_bytes=1 min_free_bytes=1\n$`, log.String())
	})
}
