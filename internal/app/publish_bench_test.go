package app_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/app"
	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/notify"
)

const benchSecret = "0123456789abcdef0123456789abcdef"

// The cost of a publish from its socket to its answer, and for comparison that of net/http
// alone, which only reads and answers. The publishers themselves allocate nothing.
func BenchmarkPublish(b *testing.B) {
	const stored = `{"to":{"users":["ada"]},"type":"comment.created","title":"Grace commented","data":{"issue":42,"from":"grace"}}`
	ephemeral := strings.Replace(stored, "{", `{"ephemeral":true,`, 1)
	b.Run("floor", func(b *testing.B) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusAccepted)
		}))
		defer server.Close()
		publishFrom(b, server.Listener.Addr().String(), stored)
	})
	b.Run("stored", func(b *testing.B) { publishFrom(b, running(b), stored) })
	b.Run("ephemeral", func(b *testing.B) { publishFrom(b, running(b), ephemeral) })
}

// The cost of traces for a publish from its socket to its answer: off, on but none of these requests, and
// each of them. The collector runs in this process too, and discards what it receives.
//
//	go test ./internal/app -run '^$' -bench TracedPublish -benchtime 20000x -count 6
func BenchmarkTracedPublish(b *testing.B) {
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	b.Cleanup(collector.Close)
	for _, of := range []struct {
		name, url string
		every     int
	}{{"off", "", 1}, {"none", collector.URL, 1_000_000_000}, {"one-of-100", collector.URL, 100}, {"all", collector.URL, 1}} {
		b.Run(of.name, func(b *testing.B) {
			publishFrom(b, running(b, func(c *config.Config) { c.TracesURL, c.TracesEvery = of.url, of.every }),
				`{"to":{"users":["ada"]},"type":"t","ephemeral":true}`)
		})
	}
}

// running runs a service until the benchmark has ended, and returns its address.
func running(b *testing.B, change ...func(*config.Config)) string {
	b.Helper()
	cfg := config.Default()
	cfg.Listen, cfg.AdminListen = "127.0.0.1:0", "127.0.0.1:0"
	cfg.DataDir = b.TempDir()
	cfg.DrainWindow = 0
	cfg.JWTSecret = []config.Secret{benchSecret}
	for _, c := range change {
		c(cfg)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended, listens := make(chan error, 1), make(chan string, 1)
	go func() {
		ended <- app.Run(ctx, cfg, app.Options{Listening: func(public, _ net.Addr) { listens <- public.String() }})
	}()
	b.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
	select {
	case address := <-listens:
		return address
	case err := <-ended:
		ended <- err
		b.Fatal(err)
		return ""
	}
}

// publishFrom publishes body from 64 connections a processor.
func publishFrom(b *testing.B, address, body string) {
	b.Helper()
	token, err := auth.Sign([]byte(benchSecret), auth.Claims{User: "grace", Scopes: []notify.Scope{notify.ScopePublish}, TTL: time.Hour})
	require.NoError(b, err)
	request := []byte("POST /notify HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nAuthorization: Bearer " + token +
		"\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
	b.ReportAllocs()
	b.SetParallelism(64)
	b.RunParallel(func(pb *testing.PB) {
		c, err := net.Dial("tcp", address)
		if err != nil {
			b.Error(err)
			return
		}
		defer c.Close()
		answers := bufio.NewReader(c)
		for pb.Next() {
			if _, err := c.Write(request); err != nil {
				b.Error(err)
				return
			}
			if !accepted(answers) {
				b.Error("not accepted")
				return
			}
		}
	})
}

// accepted reads an answer, and returns whether it is a 202.
func accepted(r *bufio.Reader) bool {
	line, err := r.ReadSlice('\n')
	ok := err == nil && bytes.HasPrefix(line, []byte("HTTP/1.1 202"))
	length := 0
	for err == nil && len(line) > 2 {
		if line, err = r.ReadSlice('\n'); bytes.HasPrefix(line, []byte("Content-Length: ")) {
			length = atoi(line[len("Content-Length: "):])
		}
	}
	if err == nil {
		_, err = r.Discard(length)
	}
	return ok && err == nil
}

func atoi(digits []byte) (n int) {
	for _, c := range bytes.TrimSpace(digits) {
		n = 10*n + int(c-'0')
	}
	return n
}
