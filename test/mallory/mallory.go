// Package mallory simulates one hostile user. The user does everything that a token without
// scopes allows, as fast as the service answers, and tries some things that it forbids. Tests
// and measurements observe the effect on other users.
package mallory

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// timeout limits how long an attack waits to connect, and then for answers.
const timeout = 200 * time.Millisecond

// User is a user of the service at Address.
type User struct {
	Address string // host:port
	Token   string
}

// Run attacks until ctx ends. It ignores the answers.
func (u User) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	for _, attack := range []func() error{
		u.list, u.toggle, u.tickets, u.sockets, u.sockets, u.streams, u.bodies, u.garbage, u.unauthenticated,
	} {
		running.Go(func() {
			for ctx.Err() == nil {
				_ = attack()
			}
		})
	}
}

// dial opens a connection that ends by itself.
func (u User) dial() (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", u.Address, timeout)
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(timeout))
}

// talk writes requests on a connection of its own and reads some of the answer.
func (u User) talk(read int64, requests ...string) error {
	conn, err := u.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, request := range requests {
		if _, err := io.WriteString(conn, request); err != nil {
			return err
		}
	}
	_, err = io.CopyN(io.Discard, conn, read)
	return err
}

// request returns a request that keeps its connection open.
func (u User) request(method, path, body string) string {
	return u.head(method, path, len(body)) + body
}

func (u User) head(method, path string, length int) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n",
		method, path, u.Token, length)
}

func (u User) list() error {
	return u.talk(16<<10, strings.Repeat(u.request("GET", "/inbox?limit=100", ""), 20))
}

func (u User) toggle() error {
	const all = `{"all":true}`
	return u.talk(1<<10, strings.Repeat(u.request("POST", "/inbox/read", all)+u.request("POST", "/inbox/unread", all), 20))
}

// tickets creates a ticket and uses it more than once.
func (u User) tickets() error {
	ticket, err := u.ticket()
	if err != nil {
		return err
	}
	for range 5 {
		_ = u.talk(1<<10, "GET /events?ticket="+ticket+" HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	return nil
}

func (u User) ticket() (string, error) {
	conn, err := u.dial()
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, u.request("POST", "/tickets", "")); err != nil {
		return "", err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return "", err
	}
	_, rest, _ := bytes.Cut(body, []byte(`"ticket":"`))
	ticket, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(ticket), nil
}

// sockets connects with the cursor earliest, sends commands of all kinds and closes the
// connection before it has read all answers.
func (u User) sockets() error {
	requests := []string{"GET /ws?cursor=earliest HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + u.Token +
		"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"}
	for _, command := range []string{
		`{"event":"read","ref":"1","data":{"all":true}}`, `{"event":"unread","data":{"all":true}}`, `{"event":"archive","data":{"ids":["x"]}}`,
		`{"event":"refresh","data":{"token":"` + u.Token + `"}}`, `{"event":"refresh","data":{"token":"x"}}`,
		`{"event":"publish","data":{"to":{"all":true},"type":"t"}}`, `{"event":"nonsense"}`, `{"event":"ping"`,
	} {
		requests = append(requests, strings.Repeat(frame(command), 10))
	}
	return u.talk(64<<10, requests...)
}

// frame is a text frame, masked with zeros.
func frame(text string) string {
	const fin, textOp, masked, length16 = 0x80, 1, 0x80, 126
	head := []byte{fin | textOp, masked | byte(len(text))}
	if len(text) >= length16 {
		head = binary.BigEndian.AppendUint16([]byte{fin | textOp, masked | length16}, uint16(len(text)))
	}
	return string(head) + "\x00\x00\x00\x00" + text
}

func (u User) streams() error {
	return u.talk(64<<10, u.request("GET", "/events?cursor=earliest", ""))
}

// bodies begins bodies that it never ends.
func (u User) bodies() error {
	return u.talk(1, u.head("POST", "/inbox/read", 64<<10)+strings.Repeat(" ", 60<<10))
}

func (u User) garbage() error {
	return u.talk(1<<10, strings.Repeat(u.request("POST", "/inbox/read", strings.Repeat("[", 10<<10)), 10),
		u.request("POST", "/notify", `{"to":{"all":true},"type":"t"}`), u.request("GET", "/inbox?limit=x", ""), "GARBAGE\r\n\r\n")
}

// unauthenticated sends a part of a webhook with an invalid signature, which needs no token.
func (u User) unauthenticated() error {
	return u.talk(1<<10, "POST /notify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 524288\r\n"+
		"webhook-id: x\r\nwebhook-timestamp: 1\r\nwebhook-signature: v1,x\r\n\r\n"+strings.Repeat(" ", 70<<10))
}
