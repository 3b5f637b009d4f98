// Command floor is the minimal server with which the service is compared: it accepts
// sockets and, on a POST, writes the posted bytes to the sockets of one user or of all. It
// checks no token, parses no JSON and reads no frame, so its cost is that of net/http and
// the kernel.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/bellhop/bellhop/test/load/bench/dialect"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "address to listen on")
	flag.Parse()
	f := &floor{users: map[string][]net.Conn{}}
	server := &http.Server{Addr: *listen, Handler: f, ReadHeaderTimeout: 10 * time.Second}
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

type floor struct {
	mu    sync.RWMutex
	users map[string][]net.Conn

	bodies sync.Pool // of *bytes.Buffer
}

// ServeHTTP upgrades GET /ws, publishes every POST and answers all other requests with 200.
func (f *floor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodPost:
		f.publish(w, r)
	case r.URL.Path == "/ws":
		f.accept(w, r)
	default:
		w.WriteHeader(http.StatusOK)
	}
}

const switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Accept: " + dialect.Accept + "\r\n\r\n"

func (f *floor) accept(w http.ResponseWriter, r *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	user := r.URL.Query().Get("user")
	f.add(user, conn)
	if _, err := io.WriteString(conn, switching); err != nil {
		f.remove(user, conn)
		return
	}
	go f.read(user, conn) // frees net/http's goroutine and buffers
}

// read discards everything that arrives on conn until it ends.
func (f *floor) read(user string, conn net.Conn) {
	buf := make([]byte, 128)
	for {
		if _, err := conn.Read(buf); err != nil {
			f.remove(user, conn)
			return
		}
	}
}

func (f *floor) publish(w http.ResponseWriter, r *http.Request) {
	body, ok := f.bodies.Get().(*bytes.Buffer)
	if !ok {
		body = new(bytes.Buffer)
	}
	defer f.bodies.Put(body)
	body.Reset()
	if _, err := body.ReadFrom(r.Body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for _, conn := range f.sockets(r.URL.Query().Get("user")) {
		_, _ = conn.Write(body.Bytes()) // after an error, read removes the connection
	}
	w.WriteHeader(http.StatusAccepted)
}

// sockets returns the sockets of user, or all if user is empty. The returned slice is never
// modified: add appends past its end, and remove copies.
func (f *floor) sockets(user string) []net.Conn {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if user != "" {
		return f.users[user]
	}
	all := make([]net.Conn, 0, len(f.users))
	for _, conns := range f.users {
		all = append(all, conns...)
	}
	return all
}

func (f *floor) add(user string, conn net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.users[user] = append(f.users[user], conn)
}

func (f *floor) remove(user string, conn net.Conn) {
	_ = conn.Close() // its error does not matter: the connection is not used any more
	f.mu.Lock()
	defer f.mu.Unlock()
	left := slices.DeleteFunc(slices.Clone(f.users[user]), func(c net.Conn) bool { return c == conn })
	if len(left) == 0 {
		delete(f.users, user)
		return
	}
	f.users[user] = left
}
