package hostile

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/test/mallory"
)

// One user does everything that it may do, as fast as the service answers. Meanwhile
// no request of another user fails or is refused, and no notification is lost. The
// effect on latencies is measured by test/load.
func TestOneUserDoesEverything(t *testing.T) {
	s := start(t)
	for i := range 200 { // a long history, which mallory reads again and again
		s.publish(t, fmt.Sprintf(`{"to":{"users":["mallory","ada"]},"type":"t","title":"%d","data":{"a":"%s"}}`, i, strings.Repeat("x", 4<<10)))
	}
	ctx, stop := context.WithCancel(t.Context())
	var attack sync.WaitGroup
	attack.Go(func() { mallory.User{Address: s.public, Token: s.token("mallory")}.Run(ctx) })
	grace, root, ada := s.live(t, "grace"), s.token("root", notify.ScopeAdmin), s.token("ada")
	for i := range scale(2_000, 60) {
		title := fmt.Sprint("to grace ", i)
		s.publish(t, fmt.Sprintf(`{"to":{"users":["grace"]},"type":"t","title":%q}`, title))
		require.Equal(t, "notification "+title, grace.next(t))
		s.notifyControl(t)
		if i%10 == 0 {
			require.Equal(t, "200", s.as(t, ada, "GET", "/inbox?limit=100", ""))
			require.Equal(t, "200", s.as(t, ada, "POST", "/inbox/read", `{"all":true}`))
			require.Equal(t, "204", s.as(t, root, "POST", "/revocations", fmt.Sprintf(`{"jti":"%d"}`, i)))
			require.Equal(t, "200", s.as(t, root, "GET", "/users/mallory/connections", ""))
			late := s.dial(t)
			late.upgrade(t, s.handshake(ada, "?cursor=earliest"))
			for word := ""; word != "live"; word = late.next(t) {
				require.NotEqual(t, "end", word)
			}
			late.Close()
		}
	}
	stop()
	attack.Wait()
	grace.Close()
	s.undisturbed(t)
	require.NotContains(t, s.log.String(), "panic")
}
