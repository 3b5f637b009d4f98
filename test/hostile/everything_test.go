package hostile

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/notify"
)

// One user does everything that a token allows, as fast as the service answers,
// and some things that it does not allow. Nothing that others do fails, is lost or
// is refused meanwhile. How long it takes is measured by test/load.
func TestOneUserDoesEverything(t *testing.T) {
	s := start(t)
	for i := range 200 { // a past worth reading again and again
		s.publish(t, fmt.Sprintf(`{"to":{"users":["mallory","ada"]},"type":"t","title":"%d","data":{"a":"%s"}}`, i, strings.Repeat("x", 4<<10)))
	}
	m := &mallory{service: s, token: s.token("mallory"), over: make(chan struct{})}
	for _, attack := range []func() error{
		m.list, m.toggle, m.tickets, m.sockets, m.sockets, m.streams, m.bodies, m.garbage, m.strange,
	} {
		m.running.Go(func() { m.repeat(attack) })
	}
	grace, root, ada := s.live(t, "grace"), s.token("root", notify.ScopeAdmin), s.token("ada")
	for i := range might(2_000, 60) {
		title := fmt.Sprint("to grace ", i)
		s.publish(t, fmt.Sprintf(`{"to":{"users":["grace"]},"type":"t","title":%q}`, title))
		require.Equal(t, "notification "+title, grace.next(t))
		s.hears(t)
		if i%10 == 0 {
			require.Equal(t, "200", s.as(t, ada, "GET", "/inbox?limit=100", ""))
			require.Equal(t, "200", s.as(t, ada, "POST", "/inbox/read", `{"all":true}`))
			require.Equal(t, "204", s.as(t, root, "POST", "/revocations", fmt.Sprintf(`{"jti":"%d"}`, i)))
			require.Equal(t, "200", s.as(t, root, "GET", "/users/mallory/connections", ""))
			late := s.dial(t)
			late.shake(t, s.handshake(ada, "?cursor=earliest"))
			for word := ""; word != "live"; word = late.next(t) {
				require.NotEqual(t, "end", word)
			}
			late.Close()
		}
	}
	close(m.over)
	m.running.Wait()
	grace.Close()
	s.unharmed(t)
	require.NotContains(t, s.log.String(), "panic")
}

// hurry is how long an attack waits for an answer before it goes on with another.
const hurry = 200 * time.Millisecond

// mallory is a user without a scope. What it is answered does not matter.
type mallory struct {
	*service
	token string

	over    chan struct{}
	running sync.WaitGroup
}

// repeat attacks until it is over.
func (m *mallory) repeat(attack func() error) {
	for {
		select {
		case <-m.over:
			return
		default:
			_ = attack()
		}
	}
}

// talk writes requests on a connection of its own and reads some of the answer.
func (m *mallory) talk(read int64, requests ...string) error {
	conn, err := net.DialTimeout("tcp", m.public, patience)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(hurry))
	for _, request := range requests {
		if _, err := io.WriteString(conn, request); err != nil {
			return err
		}
	}
	_, err = io.CopyN(io.Discard, conn, read)
	return err
}

// request is a request of mallory's on a connection that is kept.
func (m *mallory) request(method, path, body string) string {
	return method + " " + path + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + m.token +
		fmt.Sprintf("\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

func (m *mallory) list() error {
	return m.talk(16<<10, strings.Repeat(m.request("GET", "/inbox?limit=100", ""), 20))
}

func (m *mallory) toggle() error {
	return m.talk(1<<10, strings.Repeat(m.request("POST", "/inbox/read", `{"all":true}`)+m.request("POST", "/inbox/unread", `{"all":true}`), 20))
}

// tickets takes a ticket and shows it more than once.
func (m *mallory) tickets() error {
	conn, err := net.DialTimeout("tcp", m.public, patience)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(hurry))
	if _, err := io.WriteString(conn, m.request("POST", "/tickets", "")); err != nil {
		return err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	_, rest, _ := bytes.Cut(body, []byte(`"ticket":"`))
	ticket, _, _ := bytes.Cut(rest, []byte(`"`))
	for range 5 {
		_ = m.talk(1<<10, "GET /events?ticket="+string(ticket)+" HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	return nil
}

// sockets connects from the beginning, sends commands of all kinds and hangs up
// without having read all.
func (m *mallory) sockets() error {
	commands := []string{
		`{"event":"read","ref":"1","data":{"all":true}}`, `{"event":"unread","data":{"all":true}}`, `{"event":"archive","data":{"ids":["x"]}}`,
		`{"event":"refresh","data":{"token":"` + m.token + `"}}`, `{"event":"refresh","data":{"token":"x"}}`,
		`{"event":"publish","data":{"to":{"all":true},"type":"t"}}`, `{"event":"nonsense"}`, `{"event":"ping"`,
	}
	requests := []string{m.handshake(m.token, "?cursor=earliest")}
	for _, c := range commands {
		requests = append(requests, strings.Repeat(one(opText, c), 10))
	}
	return m.talk(64<<10, requests...)
}

func (m *mallory) streams() error {
	return m.talk(64<<10, m.request("GET", "/events?cursor=earliest", ""))
}

// bodies are begun and never ended.
func (m *mallory) bodies() error {
	return m.talk(0, m.posting(m.token, "/inbox/read", "Content-Type: application/json\r\nContent-Length: 65536\r\n", strings.Repeat(" ", 60<<10)))
}

func (m *mallory) garbage() error {
	return m.talk(1<<10, strings.Repeat(m.request("POST", "/inbox/read", strings.Repeat("[", 10<<10)), 10),
		m.request("POST", "/notify", draft), m.request("GET", "/inbox?limit=x", ""), "GARBAGE\r\n\r\n")
}

// strange is what a stranger can do, too.
func (m *mallory) strange() error {
	return m.talk(1<<10, "POST /notify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 524288\r\n"+
		"webhook-id: x\r\nwebhook-timestamp: 1\r\nwebhook-signature: v1,x\r\n\r\n"+strings.Repeat(" ", 70<<10))
}
