package ws_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/cursor"
	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/protocol/bellhop"
	"github.com/bellhop/bellhop/internal/service"
	"github.com/bellhop/bellhop/internal/ws"
	"github.com/bellhop/bellhop/test/slow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeRules stands in for package service, without a history.
type fakeRules struct {
	hub *hub.Hub

	mu        sync.Mutex
	cursors   []string // that clients came with
	published []notify.Draft
	calls     []service.Call
	receipt   notify.Receipt
	marked    []marking
	refusal   error                 // of Publish and Mark
	late      bool                  // Publish waits for its context's end
	joinFails bool                  // instead of a welcome
	past      func(*hub.Conn) error // between welcome and live
	joined    func(context.Context) // at the end of Join
	panics    bool
}

// JoinAtOnce returns false, so that Join is called, if the test has set a behaviour of Join.
func (d *fakeRules) JoinAtOnce(c *hub.Conn, cursor string) bool {
	if d.joined != nil || d.joinFails || d.past != nil {
		return false
	}
	d.mu.Lock()
	d.cursors = append(d.cursors, cursor)
	d.mu.Unlock()
	return d.hub.GoLive(c, 1, d.welcome(c), isNowLive)
}

func (*fakeRules) welcome(c *hub.Conn) *hub.Event {
	return &hub.Event{Sequence: 1, Content: hub.Welcome{User: c.Principal().User}}
}

var isNowLive = &hub.Event{Sequence: 1, Content: hub.Live{}}

func (d *fakeRules) Join(ctx context.Context, c *hub.Conn, cursor string, welcomed func()) (live bool) {
	d.mu.Lock()
	d.cursors = append(d.cursors, cursor)
	d.mu.Unlock()
	if d.joined != nil {
		defer d.joined(ctx)
	}
	if d.joinFails {
		c.End(notify.CloseInternal)
		return false
	}
	if c.Write(d.welcome(c)) != nil {
		return false
	}
	welcomed()
	if d.past != nil && d.past(c) != nil {
		return false
	}
	return d.hub.GoLive(c, 1, isNowLive)
}

func (d *fakeRules) Publish(ctx context.Context, _ notify.Principal, call service.Call, draft notify.Draft) (notify.Receipt, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.panics {
		panic("as the test wants it")
	}
	d.published, d.calls = append(d.published, draft), append(d.calls, call)
	if d.late {
		<-ctx.Done()
		return notify.Receipt{}, notify.Errorf(notify.ErrOutcomeUnknown, "late")
	}
	return d.receipt, d.refusal
}

// cursors are numbers after a c.
type cursors struct{}

func (cursors) Append(dst []byte, _ cursor.Tag, seq notify.Sequence) []byte {
	return strconv.AppendUint(append(dst, 'c'), uint64(seq), 10)
}

// fakeService is a Handler with its hub and a fake of the service layer.
type fakeService struct {
	*ws.Handler
	hub   *hub.Hub
	rules *fakeRules
}

// start returns a service that stops with the test.
func start(t *testing.T, change ...func(*options)) *fakeService {
	t.Helper()
	h := hub.New(hub.Options{PerAddress: 3})
	s := newService(h, change...)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { h.Run(ctx) })
	t.Cleanup(func() {
		h.Drain(context.Background(), 0)
		s.Wait()
		stop()
		running.Wait()
	})
	return s
}

func newService(h *hub.Hub, change ...func(*options)) *fakeService {
	s := &fakeService{hub: h, rules: &fakeRules{hub: h}}
	o := options{
		Options: ws.Options{
			Service: s.rules, Hub: h,
			CheckOrigin: func(r *http.Request) bool { return r.Header.Get("Origin") != "https://evil.example" },
		},
		v1: bellhop.Options{Service: s.rules, Cursors: cursors{}},
	}
	for _, c := range change {
		c(&o)
	}
	o.Protocol = plain{bellhop.New(o.v1)}
	s.Handler = ws.New(o.Options)
	return s
}

// as serves requests as those of ada, or of the user in ?as=; "none" has no principal.
func (s *fakeService) as(w http.ResponseWriter, r *http.Request) {
	u := r.URL.Query().Get("as")
	switch u {
	case "none":
		s.ServeHTTP(w, r)
		return
	case "":
		u = "ada"
	}
	p := notify.Principal{User: notify.UserID(u), Name: "user:" + u, Scopes: []notify.Scope{notify.ScopePublish}}
	s.ServeHTTP(w, r.WithContext(auth.WithPrincipal(r.Context(), p)))
}

// listen serves over TCP.
func (s *fakeService) listen(t *testing.T) (url string) {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(s.as))
	srv.Config.ConnState = func(c net.Conn, state http.ConnState) {
		if tcp, ok := c.(*net.TCPConn); ok && state == http.StateNew {
			_ = tcp.SetWriteBuffer(4 << 10) // so that a peer which does not read soon stalls it
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	return srv.URL
}

// rawClient is a client that sends arbitrary bytes.
type rawClient struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

// hijackable is the response to a request that came through a pipe. As with
// Echo's, the Hijacker is behind Unwrap.
type hijackable struct {
	*httptest.ResponseRecorder
	conn net.Conn
}

type unwrapping struct{ http.ResponseWriter }

func (u unwrapping) Unwrap() http.ResponseWriter { return u.ResponseWriter }

func (h hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(bufio.NewReader(h.conn), bufio.NewWriter(h.conn)), nil
}

// upgradeRequest is a request that is upgraded.
func upgradeRequest(target string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, target, http.NoBody)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Sec-Websocket-Version", "13")
	r.Header.Set("Sec-Websocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	return r
}

// pipe connects over a pipe, which works with the fake clock of synctest.
func (s *fakeService) pipe(t *testing.T) *rawClient {
	t.Helper()
	return s.pipeAs(t, nil)
}

// pipeAs is pipe with a slot.
func (s *fakeService) pipeAs(t *testing.T, slot *hub.Slot) *rawClient {
	t.Helper()
	here, there := net.Pipe()
	t.Cleanup(func() { here.Close() })
	r := upgradeRequest("/ws")
	go s.as(unwrapping{hijackable{httptest.NewRecorder(), there}}, r.WithContext(hub.WithSlot(r.Context(), slot)))
	return handshake(t, here)
}

// tcp connects over TCP, and sends early together with the request.
func (s *fakeService) tcp(t *testing.T, early ...byte) *rawClient {
	t.Helper()
	conn, err := slow.Receiver(4<<10, 0).DialContext(t.Context(), "tcp", s.listen(t)[len("http://"):])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	var first bytes.Buffer
	if err := upgradeRequest("/ws").Write(&first); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(append(first.Bytes(), early...)); err != nil {
		t.Fatal(err)
	}
	return handshake(t, conn)
}

func handshake(t *testing.T, conn net.Conn) *rawClient {
	t.Helper()
	r := bufio.NewReader(conn)
	answer, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("answered %s", answer.Status)
	}
	return &rawClient{t, conn, r}
}

const (
	opContinue = 0x0
	opText     = 0x1
	opBinary   = 0x2
	opClose    = 0x8
	opPing     = 0x9
	opPong     = 0xA
	fin        = 0x80
)

// masked returns a masked frame, as clients must send it.
func masked(first byte, payload []byte) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	key := [4]byte{1, 2, 3, 4}
	b = append(b, key[:]...)
	for i, c := range payload {
		b = append(b, c^key[i%4])
	}
	return b
}

func (w *rawClient) send(raw []byte) {
	w.t.Helper()
	if _, err := w.conn.Write(raw); err != nil {
		w.t.Fatal(err)
	}
}

func (w *rawClient) say(text string) { w.t.Helper(); w.send(masked(fin|opText, []byte(text))) }

// read returns the next frame.
func (w *rawClient) read() (op byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(w.r, head[:]); err != nil {
		return 0, nil, err
	}
	if head[0]&fin == 0 || head[1]&0x80 != 0 {
		return 0, nil, errors.New("a frame of the service is whole and unmasked")
	}
	n := uint64(head[1])
	if n >= 126 {
		size := make([]byte, 2)
		if n == 127 {
			size = make([]byte, 8)
		}
		if _, err := io.ReadFull(w.r, size); err != nil {
			return 0, nil, err
		}
		n = 0
		for _, b := range size {
			n = n<<8 | uint64(b)
		}
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(w.r, payload)
	return head[0] &^ fin, payload, err
}

// expect reads frames and holds them against these: text as it is, others with
// the name of their opcode, a close with its code.
func (w *rawClient) expect(want ...string) {
	w.t.Helper()
	for _, frame := range want {
		op, payload, err := w.read()
		if err != nil {
			w.t.Fatalf("%v instead of %s", err, frame)
		}
		if got := describe(op, payload); got != frame {
			w.t.Fatalf("received %s\n instead of %s", got, frame)
		}
	}
}

func describe(op byte, payload []byte) string {
	switch op {
	case opText:
		return string(payload)
	case opPing:
		return "ping " + string(payload)
	case opPong:
		return "pong " + string(payload)
	case opClose:
		if len(payload) < 2 {
			return "close"
		}
		return "close " + strconv.Itoa(int(binary.BigEndian.Uint16(payload))) + " " + string(payload[2:])
	default:
		return "opcode " + strconv.Itoa(int(op))
	}
}

const (
	welcome = `{"event":"welcome","cursor":"c1","data":{"user":"ada"}}`
	isLive  = `{"event":"live","cursor":"c1","data":{}}`
)

// expectEnd reads on until the connection ends and holds the close against
// these; it answers it, as a peer does.
func (w *rawClient) expectEnd(code int, reason string) {
	w.t.Helper()
	event, closed := "", ""
	for {
		op, payload, err := w.read()
		if err != nil {
			break
		}
		switch op {
		case opText:
			event = string(payload)
		case opClose:
			closed = describe(op, payload)
			// The service may have gone already.
			_, _ = w.conn.Write(masked(fin|opClose, payload))
		}
	}
	if want := "close " + strconv.Itoa(code) + " " + reason; closed != want {
		w.t.Errorf("closed with %q, want %q", closed, want)
	}
	prefix := `{"event":"close","data":{"code":` + strconv.Itoa(code) + `,"reason":"` + reason + `"`
	if len(event) < len(prefix) || event[:len(prefix)] != prefix {
		w.t.Errorf("the last event was %s", event)
	}
}
