package e2e

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/bellhop/bellhop/internal/config"
	"github.com/bellhop/bellhop/internal/notify"
)

// Who was told that the connection is over does nothing with it any more.
func TestNoCommandAfterTheClose(t *testing.T) {
	s := start(t, func(c *config.Config) { c.ConnectionsPerUser = 1 })
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
	s.restart() // all that was begun has come to its end
	assert.Equal(t, []string{"before"}, s.past("grace", "earliest").titles)
}
