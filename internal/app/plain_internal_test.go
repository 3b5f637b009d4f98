package app

import (
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// A connection that takes the last file the store may need is closed at once.
func TestPlainConnectionsAreBounded(t *testing.T) {
	var log strings.Builder
	sockets := 1
	p := &plain{most: 3, others: func() int { return sockets }, logger: slog.New(slog.NewTextHandler(&log, nil))}
	connect := func() (refused bool, c net.Conn) {
		ours, theirs := net.Pipe()
		t.Cleanup(func() { theirs.Close() })
		p.state(ours, http.StateNew)
		return ours.SetDeadline(time.Time{}) != nil, ours
	}
	_, first := connect()
	refused, _ := connect()
	assert.False(t, refused)
	refused, third := connect()
	assert.True(t, refused)
	p.state(third, http.StateClosed)
	assert.Equal(t, 1, strings.Count(log.String(), "connections are refused"))

	p.state(first, http.StateHijacked) // it is a socket now
	sockets++
	refused, fourth := connect()
	assert.True(t, refused)
	p.state(fourth, http.StateClosed)
	sockets--
	refused, _ = connect()
	assert.False(t, refused)
	assert.Equal(t, 2, strings.Count(log.String(), "connections are refused"))
}
