package ws_test

import (
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/test/logtext"
)

// lines is what was logged.
type lines struct{ logtext.Log }

func (l *lines) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func (l *lines) into(o *options) { o.Logger = l.logger() }

// One line has the bytes with which a peer broke the protocol, and no token.
func TestViolationsAreLogged(t *testing.T) {
	token := strings.Repeat("SECRET", 100)
	for name, c := range map[string]struct {
		sent []byte
		want []string
	}{
		"head":      {masked(fin|0x40|opText, []byte("{}")), []string{"code=1002", `\\xc1\\x82\\x01\\x02\\x03\\x04`, "RSV1"}},
		"length":    {[]byte{fin | opText, 0x80 | 126, 0, 2, 0, 0, 0, 0}, []string{"code=1002", `\\x81\\xfe\\x00\\x02`, "malformed frame"}},
		"binary":    {masked(fin|opBinary, []byte("{}")), []string{"code=1003", `\\x82\\x82`}},
		"not UTF-8": {masked(fin|opText, []byte("{\"event\":\"\xFF\n"+token)), []string{"code=1007", `vent\\\":\\\"\\xff\\nSECRE`}},
		"no object": {masked(fin|opText, []byte("\"line\n"+token)), []string{"code=1008", `line\\n****`}},
		"too big":   {masked(fin|opText, make([]byte, 20<<10)), []string{"code=1009", `\\x81\\xfeP\\x00`}},
		"empty":     {masked(fin|opText, nil), []string{"code=1008", `sent="\"\""`}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log lines
				w := start(t, log.into).pipe(t)
				w.expect(welcome, isLive)
				go w.conn.Write(slices.Concat(c.sent, c.sent)) // which the service need not read to its end
				w.expectClosed()
				synctest.Wait()
				got := log.String()
				if strings.Count(got, "\n") != 1 || len(got) > 400 || strings.Contains(got, "SECRETSECRET") {
					t.Errorf("logged %s", got)
				}
				for _, want := range append(c.want, "peer broke the protocol") {
					if !strings.Contains(got, want) {
						t.Errorf("logged %s without %s", got, want)
					}
				}
			})
		})
	}
}

func TestNormalClosesAreNotLoggedAsViolations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lines
		s := start(t, log.into)
		for _, sent := range [][]byte{masked(fin|opClose, []byte{3, 0xE8}), masked(fin|opText, []byte(`{"event":"dance"}`))} {
			w := s.pipe(t)
			w.expect(welcome, isLive)
			w.send(sent)
			if _, _, err := w.read(); err != nil {
				t.Fatal(err)
			}
			w.conn.Close()
			synctest.Wait()
		}
		if got := log.String(); got != "" {
			t.Errorf("logged %s", got)
		}
	})
}

// Frames may come with the request, in the same packet.
func TestEarlyFrames(t *testing.T) {
	s := start(t)
	w := s.tcp(t, masked(fin|opText, []byte(`{"event":"ping","ref":"early"}`))...)
	w.expect(welcome)
	w.expectBoth(`{"event":"reply","ref":"early","data":{}}`, isLive)
	w.say(`{"event":"ping","ref":"2"}`)
	w.expect(`{"event":"reply","ref":"2","data":{}}`)

	w = s.tcp(t, fin|opText, 2, '{', '}')
	w.expectEnd(1002, "protocol-error")
}

// expectClosed reads on until the connection ends.
func (w *rawClient) expectClosed() {
	for {
		if _, _, err := w.read(); err != nil {
			return
		}
	}
}

// expectBoth reads two frames, in either order.
func (w *rawClient) expectBoth(a, b string) {
	w.t.Helper()
	var got []string
	for range 2 {
		op, payload, err := w.read()
		if err != nil {
			w.t.Fatal(err)
		}
		got = append(got, describe(op, payload))
	}
	if !slices.Contains(got, a) || !slices.Contains(got, b) {
		w.t.Fatalf("received %q", got)
	}
}

// The connection has the slot of its request's context, until it ends.
func TestSlotOfTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t)
		from := netip.MustParseAddr("192.0.2.1")
		for range 10 { // there are three
			slot, err := s.hub.Admit(from)
			if err != nil {
				t.Fatal(err)
			}
			w := s.pipeAs(t, slot)
			w.expect(welcome, isLive)
			slot.Release() // is too late
			got := s.hub.Connections("ada")
			if len(got) != 1 || got[0].Address != from || got[0].Transport != "websocket" || got[0].Since.IsZero() {
				t.Errorf("there are %+v", got)
			}
			w.conn.Close()
			synctest.Wait()
		}
	})
}

// The slot of a refused request stays with the caller that admitted the request.
func TestSlotOfARefusedRequest(t *testing.T) {
	s := start(t)
	for range 10 {
		slot, err := s.hub.Admit(netip.MustParseAddr("192.0.2.1"))
		if err != nil {
			t.Fatal(err)
		}
		r := upgradeRequest("/ws?as=none")
		s.as(httptest.NewRecorder(), r.WithContext(hub.WithSlot(r.Context(), slot)))
		slot.Release()
	}
}
