package wire_test

import (
	"testing"
	"time"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/wire"
)

const typical = `{"to":{"users":["ada"]},"type":"comment.created","title":"Grace commented",` +
	`"body":"Looks good to me","data":{"issue":42,"url":"/issues/42","from":"grace"},"ttl":86400}`

func BenchmarkDraft(b *testing.B) {
	body := []byte(typical)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.Draft(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNotification(b *testing.B) {
	d, err := wire.Draft([]byte(typical))
	if err != nil {
		b.Fatal(err)
	}
	n := notify.Notification{Time: time.Now(), Content: wire.AppendContent(nil, "0193b3c8-0000-7000-8000-000000000000", &d)}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = wire.AppendNotification(buf[:0], &n)
	}
}
