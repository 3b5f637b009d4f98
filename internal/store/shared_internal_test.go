package store

import (
	"testing"

	"github.com/bellhop/bellhop/internal/notify"
)

// However many topics are read, and however much each has, what is in memory is
// bounded, and what is read again and again stays there.
func TestSharedListsAreBounded(t *testing.T) {
	var c shared
	often := ofTopic("often")
	c.put(often, []item{{sequence: 1}})
	for n := range 1000 {
		list := make([]item, 1000)
		c.put(ofTopic(notify.Topic(rune(n+'a'))), list)
		if _, ok := c.find(often); !ok {
			t.Fatalf("after %d topics what is read often is gone", n)
		}
		c.apply([]step{{owner: often, item: item{sequence: notify.Sequence(n + 2)}}})
	}
	items := 0
	for _, lists := range []map[owner][]item{c.young, c.old} {
		for _, list := range lists {
			items += len(list)
		}
	}
	if items > 2*(sharedMost+1000) {
		t.Errorf("%d items are in memory", items)
	}
	if list, _ := c.find(often); len(list) != 1001 {
		t.Errorf("what is read often has %d items", len(list))
	}
}
