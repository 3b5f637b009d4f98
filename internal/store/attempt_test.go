package store_test

import (
	"log/slog"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

// The log cannot be written, as on a full disk. Fatal is called, and nothing panics, whether
// entries are synced or not.
func TestAFailedWriteToTheLogIsFatal(t *testing.T) {
	for name, replicated := range map[string]bool{"alone": false, "replicated": true} {
		t.Run(name, func(t *testing.T) {
			var full atomic.Bool
			disk := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
				if full.Load() && strings.HasSuffix(op.Path, ".log") && op.Kind == errorfs.OpFileWrite {
					return errorfs.ErrInjected
				}
				return nil
			}))
			fatal := make(chan error, 1)
			s, err := store.Open("data", store.Options{
				FS: disk, Replicated: replicated, Logger: slog.New(slog.DiscardHandler), Fatal: func(err error) {
					select {
					case fatal <- err:
					default:
					}
					runtime.Goexit() // it must not return
				},
			})
			require.NoError(t, err)
			full.Store(true)
			go func() {
				for n := uint64(1); ; n++ { // the log is written in the background
					entries := notify.Stamp(noon(), publishTo("n", "ada"))
					if replicated {
						_, _, err = s.ApplyAt(position(int(n)), notify.Sequence(n), entries)
					} else {
						_, _, err = s.Apply(notify.Sequence(n), entries)
					}
					if err != nil {
						return
					}
				}
			}()
			require.ErrorContains(t, <-fatal, "the store failed and cannot continue: ")
		})
	}
}
