package cli

import (
	"fmt"

	"github.com/bellhop/bellhop/internal/telemetry"
)

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run(t *terminal) error {
	_, err := fmt.Fprintln(t.stdout, versionLine())
	return err
}

func versionLine() string {
	b := telemetry.ReadBuild()
	line := "bellhop " + b.Version
	if b.Revision != "" {
		line += " " + b.Revision
	}
	return line + " " + b.Go
}
