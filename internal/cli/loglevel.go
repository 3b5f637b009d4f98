package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/bellhop/bellhop/internal/httpapi"
)

type logLevelCommand struct {
	Level string        `arg:"" optional:"" help:"debug, info, warn or error (default: show the level)"`
	For   time.Duration `default:"10m" placeholder:"DURATION" help:"time after which the configured level returns, such as 2h (default 10m)"`

	admin `embed:""`
}

// Help says how long a level holds.
func (*logLevelCommand) Help() string {
	return "The level holds for ten minutes, or the time of --for, at most 24 hours. Then the configured level returns, as it does at a restart. " +
		"The configured level itself has no end. BELLHOP_LOG_LEVEL in the file of settings changes the level for longer, without a restart. " +
		"Example: bellhop log-level debug --for 30m"
}

// Run prints the level, after changing it if one is given.
func (c *logLevelCommand) Run(t *terminal) error {
	base, err := c.resolve(t)
	if err != nil {
		return err
	}
	method, target := http.MethodGet, base+"/log-level"
	if c.Level != "" {
		method = http.MethodPut
		target += "?" + url.Values{"level": {c.Level}, "for": {c.For.String()}}.Encode()
	}
	body, err := requestAdmin(t.ctx, method, target)
	if err != nil {
		return err
	}
	var now httpapi.LogLevel
	if err := json.Unmarshal(body, &now); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	line := now.Level
	if !now.Until.IsZero() {
		line += fmt.Sprintf(" until %s, then %s", now.Until.Local().Format(time.DateTime), now.Configured)
	}
	_, err = fmt.Fprintln(t.stdout, printable(line))
	return err
}
