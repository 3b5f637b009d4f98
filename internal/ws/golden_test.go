package ws_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/wire"
)

var update = flag.Bool("update", false, "write the golden file")

// The golden file has what a client receives, frame by frame.
func TestGoldenFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		s.rules.receipt = notify.Receipt{ID: "0193b0c0-0000-7000-8000-000000000000", Recipients: 1}
		w := s.pipe(t)
		var seen strings.Builder
		next := func() {
			t.Helper()
			op, payload, err := w.read()
			if err != nil {
				t.Fatal(err)
			}
			if op == opText {
				seen.WriteString("text ")
			}
			seen.WriteString(describe(op, payload) + "\n")
		}
		next()
		next()
		n := notify.Notification{
			Sequence: 42, Audience: notify.AudienceAll,
			Time:    time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC),
			Content: []byte(`"id":"0193b0c0-0000-7000-8000-000000000001","type":"comment.created","title":"Grace – „äöü“ 👋","data":{"issue":42}`),
		}
		s.hub.Deliver(broadcast, n.Time, note(42, string(wire.AppendNotification(nil, &n))))
		next()
		w.say(`{"event":"ping","ref":"7"}`)
		next()
		w.say(`{"event":"publish","ref":"\"\u2028\\","data":{"to":{"users":["ada"]},"type":"t"}}`)
		next()
		w.say(`{"event":"dance","ref":"9"}`)
		next()
		w.send(masked(fin|opPing, []byte("hello")))
		next()
		next() // a ping
		go s.hub.Drain(t.Context(), 0)
		next()
		next()
		w.conn.Close()

		golden := filepath.Join("testdata", "frames.golden")
		if *update {
			if err := os.WriteFile(golden, []byte(seen.String()), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), seen.String()); diff != "" {
			t.Errorf("not as in %s (-want +got):\n%s", golden, diff)
		}
	})
}
