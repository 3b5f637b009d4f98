package app

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/hub"
	"github.com/bellhop/bellhop/internal/notify"
)

// closes is a transport that keeps why it was closed.
type closes struct {
	hub.Transport
	why chan notify.Close
}

func (closes) Name() string             { return "test" }
func (closes) Nonblocking() bool        { return true }
func (c closes) Close(why notify.Close) { c.why <- why }

// No connection may miss a change that could not be passed on.
func TestAPanicWhileDeliveringEndsTheConnections(t *testing.T) {
	var log strings.Builder
	s := &node{hub: hub.New(hub.Options{}), logger: slog.New(slog.NewTextHandler(&log, nil))} // without an inbox
	s.serving.Store(true)
	c := closes{why: make(chan notify.Close, 1)}
	require.NoError(t, s.hub.Register(s.hub.NewConn(notify.Principal{User: "ada"}, "c", nil, c)))
	s.deliver(&notify.Notification{})
	require.Equal(t, notify.CloseInternal, <-c.why)
	require.Contains(t, log.String(), "panic while delivering")
	s.hub.Drain(t.Context(), 0)
}
