package ws_test

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/protocol"
	"github.com/bellhop/bellhop/internal/ws"
)

// Each refused command has one line with the caller, the connection and the ref of the answer,
// and no text of a notification.
func TestRefusedCommandsAreLogged(t *testing.T) {
	for sent, want := range map[string]string{
		`{"event":"publish","ref":"r1","data":{"type":"t","title":"Your salary","salary_of_anna_in_2026":1}}`: `action="command publish" outcome=refused principal=user:ada connection=`,
		`{"event":"read","ref":"r1","data":{"all":1}}`:                                                        `ref=r1 problem=invalid status=422 reason="invalid: /data/… must be true`,
		`{"event":"salary","ref":"r1"}`:                                                                       `action="command unknown" outcome=refused`,
		`{"event":"publish","ref":"r1","data":{"to":{"users":["full"]},"type":"t"}}`:                          `level=WARN msg="request refused" audit=true action="command publish" outcome=refused`,
		`{"event":"refresh","ref":"r1","data":{"token":"salary"}}`:                                            `reason="unavailable: this node cannot verify tokens"`,
	} {
		t.Run(want, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log lines
				s := start(t, func(o *options) { o.v1.Logger = log.logger() })
				s.rules.refusal = notify.Errorf(notify.ErrUnavailable, "the disk is nearly full")
				w := s.pipe(t)
				w.expect(welcome, isLive)
				w.say(sent)
				if _, answer, err := w.read(); err != nil || !strings.Contains(string(answer), `"ref":"r1"`) {
					t.Fatalf("received %s, %v", answer, err)
				}
				got := log.String()
				if strings.Count(got, "\n") != 1 || !strings.Contains(got, want) || !strings.Contains(got, "ref=r1 ") {
					t.Errorf("logged %s", got)
				}
				if strings.Contains(got, "salary") || strings.Contains(got, "anna") {
					t.Errorf("logged text of the caller: %s", got)
				}
			})
		})
	}
}

// late is a protocol whose clients authenticate with their first message: its text is the
// reason why they may not.
type late struct{ plain }

func (p late) Accept(*http.Request) (protocol.Opening, error) {
	return protocol.Opening{Session: p}, nil
}

func (late) Authenticate(_ context.Context, message []byte) (protocol.Start, error) {
	return protocol.Start{}, &notify.Error{Kind: notify.ErrTokenInvalid, Detail: "the token is not valid", Reason: string(message)}
}

// A connection that is refused after its handshake has one line with the reason.
func TestRefusedFirstMessagesAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lines
		s := start(t, log.into)
		s.Handler = ws.New(ws.Options{Protocol: late{}, Service: s.rules, Hub: s.hub, CheckOrigin: func(*http.Request) bool { return true }, Logger: log.logger()})
		slot, err := s.hub.Admit(netip.MustParseAddr("192.0.2.9"))
		if err != nil {
			t.Fatal(err)
		}
		w := s.pipeAs(t, slot)
		w.say("its aud is another")
		w.expectEnd(4401, "token-invalid")
		synctest.Wait()
		const want = `level=INFO msg="request refused" audit=true action="first message" outcome=refused address=192.0.2.9 problem=token-invalid status=401 ` +
			`reason="token invalid: the token is not valid (its aud is another)"`
		if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, want) {
			t.Errorf("logged %s", got)
		}
		slot.Release()
	})
}
