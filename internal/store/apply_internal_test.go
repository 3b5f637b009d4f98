package store

import (
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/bellhop/bellhop/internal/notify"
)

func TestAPanicWhileApplyingIsAnError(t *testing.T) {
	db, err := pebble.Open("", &pebble.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	g := &txn{batch: db.NewIndexedBatch(), at: time.Now()} // without histories, which a publish needs
	defer g.batch.Close()
	publish := notify.Publish{ID: "a", Audience: notify.AudienceUser, Users: []notify.UserID{"ada"}}
	if _, err := g.applySafely(1, notify.Stamp(time.Now(), publish)); !errors.Is(err, notify.ErrNotApplied) {
		t.Errorf("%v, want ErrNotApplied", err)
	}
}
