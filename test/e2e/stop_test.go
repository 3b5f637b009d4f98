package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/app"
	"github.com/bellhop/bellhop/internal/auth"
	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/notify"
	"github.com/bellhop/bellhop/internal/store"
)

func TestDrainClosesConnectionsWithAWindow(t *testing.T) {
	s := start(t, func(c *config.Config) { c.DrainWindow = 3 * time.Second })
	conns := make([]*connection, 20)
	for i := range conns {
		conns[i] = s.live("ada")
	}
	assert.Equal(t, http.StatusOK, s.do(http.MethodGet, "/readyz", "").StatusCode)
	stopped := make(chan error, 1)
	go func() { stopped <- s.stop() }()

	for _, c := range conns {
		code, reason, event := c.closed()
		assert.Equal(t, 1012, code)
		assert.Equal(t, "restart window=3", reason)
		assert.Equal(t, "close", event.Event)
		assert.Equal(t, true, event.Data["reconnect"])
		assert.EqualValues(t, 3, event.Data["after"])
	}
	assert.NoError(t, <-stopped)
}

func TestConnectionEndsWithItsToken(t *testing.T) {
	s := start(t)
	c := s.connectWith(sign(t, auth.Claims{User: "ada", Expires: time.Now().Add(5*time.Second - notify.Leeway)}), "")
	c.expect("live")
	code, reason, event := c.closed()
	assert.Equal(t, 4401, code)
	assert.Equal(t, "token-expired", reason)
	assert.Equal(t, true, event.Data["reconnect"])
}

func TestNewConnectionReplacesTheOldest(t *testing.T) {
	s := start(t, func(c *config.Config) { c.ConnectionsPerUser = 2 })
	s.onOneNode(ownConnections)
	first, second := s.live("ada"), s.live("ada")
	s.live("ada")
	code, _, event := first.closed()
	assert.Equal(t, 4409, code)
	assert.Equal(t, false, event.Data["reconnect"])
	s.publish("one", "ada")
	second.expect("one")
}

func TestTooManyCommandsCloseTheConnection(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Commands = 5 })
	c := s.live("ada")
	for range 6 {
		c.send(`{"event":"ping"}`)
	}
	code, _, _ := c.closed()
	assert.Equal(t, 4429, code)
}

func TestSecondProcessOnTheDataDirectoryIsRefused(t *testing.T) {
	s := start(t)
	other := *s.cfg
	other.Node = "another" // in a cluster, a node of the same name would wait
	err := app.Run(t.Context(), &other, app.Options{})
	assert.ErrorIs(t, err, store.ErrInUse)
	assert.ErrorContains(t, err, s.cfg.DataDir)
}

// A store that cannot be read is an error. The service must not replace it with an
// empty one.
func TestDamagedStoreIsRefused(t *testing.T) {
	s := startAlone(t, damagedAlone)
	s.publish("one", "ada")
	require.NoError(t, s.stop())
	manifests, err := filepath.Glob(filepath.Join(s.cfg.DataDir, "store", "MANIFEST-*"))
	require.NoError(t, err)
	require.NotEmpty(t, manifests)
	for _, name := range manifests {
		require.NoError(t, os.WriteFile(name, []byte("not a manifest"), 0o600))
	}
	assert.Error(t, app.Run(t.Context(), s.cfg, app.Options{}))
}
