package service_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/stretchr/testify/assert"
)

// synced clones the synced part of a file system.
func synced() vfs.CrashCloneCfg { return vfs.CrashCloneCfg{UnsyncedDataPercent: 0} }

func TestCursorForm(t *testing.T) {
	r := newRig(t)
	cursor := r.connect("ada", "").cursor()
	assert.Regexp(t, `^[A-Za-z0-9_-]{1,128}$`, cursor)
}
