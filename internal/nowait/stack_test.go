package nowait_test

import (
	"bytes"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/nowait"
)

// goroutine returns the name of the calling goroutine.
func goroutine() string {
	buf := make([]byte, 64)
	name, _, _ := bytes.Cut(buf[:runtime.Stack(buf, false)], []byte(" ["))
	return string(name)
}

// GrowStack is of use only while net/http calls ConnState in the goroutine that runs the
// handler, and before it.
func TestConnStateIsCalledWhereTheHandlerRuns(t *testing.T) {
	var mu sync.Mutex
	var calls []string
	note := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		calls = append(calls, what+" in "+goroutine())
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { note("called") }))
	s.Listener = nowait.Listen(s.Listener)
	s.Config.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateActive {
			nowait.GrowStack(c)
			note("called")
		}
	}
	s.Start()
	answer, err := s.Client().Get(s.URL)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	s.Close()
	require.Len(t, calls, 2)
	assert.Equal(t, calls[0], calls[1])
}
