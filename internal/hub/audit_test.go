package hub_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
)

// Each connection that the service closes has one line that says why; one that has left, was
// lost or is to come back after a restart has none.
func TestClosesAreLoggedWithTheirReason(t *testing.T) {
	for _, test := range []struct {
		why  notify.Close
		want string // empty: no line
	}{
		{notify.CloseExpired, `problem=token-expired code=4401 reason="the token expired at 2026-01-02T03:04:05Z and was not refreshed"`},
		{notify.CloseRevoked, `problem=token-revoked code=4403 reason="the token was revoked`},
		{notify.CloseOtherUser, `problem=token-of-another-user code=4403 reason="the client has refreshed with the token of another user"`},
		{notify.CloseSlow, `problem=too-slow code=4408 reason="the queue of the connection was full`},
		{notify.CloseReplaced, `problem=replaced code=4409 reason="the user has opened more connections than are allowed"`},
		{notify.CloseDisconnected, `problem=disconnected code=4410 reason="an operator has closed the connections of the user"`},
		{notify.CloseFlood, `problem=too-many-commands code=4429 reason="the client has sent too many`},
		{notify.CloseOverloaded, `problem=overloaded code=1013`},
		{notify.Close{Code: 4499, Reason: "new"}, `problem=new code=4499 reason=new`},
		{notify.CloseNormal, ""},
		{notify.ClosePreferences, ""},
		{notify.CloseLost, ""},
		{notify.CloseRestart(time.Second), ""},
	} {
		t.Run(test.why.Reason, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				h := hub.New(hub.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
				p := user("ada")
				p.Expires = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
				c := h.NewConn(p, "c1", admit(t, h, "192.0.2.9"), newPeer())
				if err := h.Register(c); err != nil {
					t.Fatal(err)
				}
				c.End(test.why)
				c.End(notify.CloseFlood) // the first reason counts
				h.Drain(context.Background(), 0)
				synctest.Wait()
				got, want := log.String(), ""
				if test.want != "" {
					want = `level=INFO msg="connection closed" audit=true action=connection outcome=refused user=ada connection=c1 address=192.0.2.9 ` + test.want
				}
				if strings.Count(got, "\n") != min(len(want), 1) || !strings.Contains(got, want) {
					t.Errorf("logged %s, want %s", got, want)
				}
			})
		})
	}
}
