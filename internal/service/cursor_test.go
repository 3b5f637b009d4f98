package service_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/assert"

	"github.com/bellhop/bellhop/internal/service"
)

// synced clones what is synced of a file system.
func synced() vfs.CrashCloneCfg { return vfs.CrashCloneCfg{UnsyncedDataPercent: 0} }

func TestCursorForm(t *testing.T) {
	r := newRig(t)
	cursor := r.connect("ada", "").cursor()
	assert.Regexp(t, `^[A-Za-z0-9_-]{1,128}$`, cursor)
}

func TestSealingACursorAllocatesNothing(t *testing.T) {
	r := newRig(t)
	tag := service.TagOf("ada")
	buf := make([]byte, 0, 64)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		buf = r.service.AppendCursor(buf[:0], tag, 1)
	}))
}
