package e2e

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/notify"
)

// Commands that arrive after the service has sent the close event are not executed.
func TestNoCommandAfterTheClose(t *testing.T) {
	s := start(t, func(c *config.Config) { c.ConnectionsPerUser = 1 })
	s.onOneNode(ownConnections)
	first := s.connectWith(token(t, "ada", notify.ScopePublish), "")
	first.expect("live")
	first.send(`{"event":"publish","data":` + draft(t, "before", "grace") + `}`)
	first.expect("reply")
	s.live("ada")
	f := first.read()
	require.Equal(t, "close", f.Event)
	require.EqualValues(t, 4409, f.Data["code"])

	first.send(`{"event":"publish","data":` + draft(t, "too late", "grace") + `}`)
	code, _, _ := first.closed()
	assert.Equal(t, 4409, code)
	s.restart() // waits for every command that is being executed
	assert.Equal(t, []string{"before"}, s.history("grace", "earliest").titles)
}
